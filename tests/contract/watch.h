#ifndef CRB_CONTRACT_WATCH_H
#define CRB_CONTRACT_WATCH_H

#include <stdbool.h>

/* In no parameter and no message: only a leak can bring it there. */
#define CANARY "cAnArY-7f3e9a51"

/* Memory that is handed back while it is armed, and has one of them in it. */
extern struct watch {
	bool armed;
	unsigned found;
	char encoded[256]; /* the canary as it is injected, say */
} watch;

#endif /* !CRB_CONTRACT_WATCH_H */
