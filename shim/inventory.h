#ifndef CRB_SHIM_INVENTORY_H
#define CRB_SHIM_INVENTORY_H

#include "shim/inventory_findings.h"
#include "shim/inventory_places.h"
#include "shim/inventory_view.h"

/*
 * The steps of `inventory`.  Each looks at one kind of thing through the view
 * and adds what it finds.
 */
struct crb_inventory {
	struct crb_view view;
	struct crb_findings findings;
	bool no_network;
};

void crb_inventory_environment(struct crb_inventory *inventory);
void crb_inventory_processes(struct crb_inventory *inventory);
void crb_inventory_files(struct crb_inventory *inventory);
void crb_inventory_tree(struct crb_inventory *inventory);
void crb_inventory_sockets(struct crb_inventory *inventory);
void crb_inventory_keyrings(struct crb_inventory *inventory);
void crb_inventory_network(struct crb_inventory *inventory);

/*
 * Add the file at `path` if it is what `place` says.  For those steps that
 * come across one.
 */
void crb_inventory_file(struct crb_inventory *inventory,
    const struct crb_place *place, const char *path, enum crb_links links);

/* The same for git's configuration, with what it includes. */
void crb_inventory_git(
    struct crb_inventory *inventory, const char *path, enum crb_links links);

/* Say that a folder had more in it than is looked at. */
void crb_inventory_note_cut(struct crb_inventory *inventory);

#endif /* !CRB_SHIM_INVENTORY_H */
