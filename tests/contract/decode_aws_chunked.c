/*
 * decode_aws_chunked LENGTH TRAILER PIECE: standard input, which an SDK wrote,
 * decoded in pieces of so many bytes.  1: refused, and why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "broker/egress/aws_chunked.h"

#define PIECE_MAX 65536

static enum crb_status
decode(struct crb_aws_chunked *chunked, size_t piece, struct crb_err *err)
{
	static char bytes[PIECE_MAX], out[PIECE_MAX];
	struct crb_slice in = { bytes, 0 };
	size_t len;

	while ((in.len = fread(bytes, 1, piece, stdin)) > 0) {
		in.p = bytes;
		do {
			if (crb_aws_chunked_feed(
				chunked, &in, out, piece, &len, err) != CRB_OK)
				return err->status;
			if (fwrite(out, 1, len, stdout) != len)
				return crb_err_errno(err, "cannot write");
		} while (in.len > 0 || len == piece);
	}
	return crb_aws_chunked_finish(chunked, err);
}

int
main(int argc, char **argv)
{
	CRB_AUTO_AWS_CHUNKED struct crb_aws_chunked *chunked = NULL;
	struct crb_err err;
	size_t piece;

	if (argc != 4 || sodium_init() < 0 ||
	    (piece = strtoul(argv[3], NULL, 10)) == 0 || piece > PIECE_MAX)
		return 2;
	if (crb_aws_chunked_new(strtoull(argv[1], NULL, 10), argv[2], &chunked,
		&err) != CRB_OK ||
	    decode(chunked, piece, &err) != CRB_OK) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	return fflush(stdout) != 0;
}
