# What a sandbox asks for, judged: the part of the core that reads its strings.
add_library(crb_request STATIC aws_request.c git_request.c git_rewrites.c target.c)
target_link_libraries(crb_request PUBLIC crb_backends crb_base)
