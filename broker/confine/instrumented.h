#ifndef CRB_INSTRUMENTED_H
#define CRB_INSTRUMENTED_H

/*
 * Builds that are not for use: with sanitizers (CRB_SANITIZED, told by the
 * compiler), and with coverage (CRB_COVERED, told by CMake).
 */
#if defined(__SANITIZE_ADDRESS__)
#define CRB_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CRB_SANITIZED 1
#endif
#endif

#endif /* !CRB_INSTRUMENTED_H */
