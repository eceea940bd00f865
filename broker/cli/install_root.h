#ifndef CRB_INSTALL_ROOT_H
#define CRB_INSTALL_ROOT_H

/*
 * What has to be seen for a program to work, apart from the system's folders:
 * its install root, and no more of a home than that.
 *
 * `path` is real and absolute, `home` too.  `show` is called with each file or
 * folder, all of them there.  In this order: a folder of a known tool manager
 * (pyenv, nvm, cargo, ...); what is installed below node_modules; the parts of
 * a prefix (bin, lib, share, ...); the program's folder, unless it is a
 * project's, a home, or one above; the program alone.
 */
typedef void crb_install_fn(void *ctx, const char *path);
void crb_install_root(
    const char *home, const char *path, crb_install_fn *show, void *ctx);

#endif /* !CRB_INSTALL_ROOT_H */
