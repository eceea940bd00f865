#ifndef CRB_AWS_STS_H
#define CRB_AWS_STS_H

/*
 * The "aws-sts" backend: keys of AWS, or of a service that speaks its
 * protocols, for a session alone, made by the provider's security token
 * service from keys that stay in the vault.
 */
struct crb_backend_ops;

extern const struct crb_backend_ops crb_backend_aws_sts;

#endif /* !CRB_AWS_STS_H */
