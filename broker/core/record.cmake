# What is recorded: the audit log, and the commits that carry its outbox.
add_library(crb_record STATIC
  audit.c audit_chain.c audit_flush.c audit_key.c audit_line.c audit_open.c
  audit_read.c audit_verify.c commit.c outbox.c outbox_queue.c)
target_link_libraries(crb_record PUBLIC crb_vault crb_base)
