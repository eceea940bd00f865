#include "tests/fakes/world.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "broker/bus/bus.h"
#include "broker/kdf/wire.h"
#include "broker/vault/vault.h"

/* Longer than any answer takes, so that only a failure waits for it. */
#define PATIENCE_MS 10000

struct heard {
	struct heard *next;
	struct crb_msg msg;
	uint8_t packet[CRB_PACKET_MAX];
};

static void
send_packet(int sock, enum crb_msg_type type, const void *msg, int fd)
{
	static uint8_t packet[CRB_PACKET_MAX];
	struct crb_err err;
	size_t len;

	assert_ok(
	    crb_msg_encode(type, msg, packet, sizeof(packet), &len, &err));
	assert_ok(crb_io_send(sock, packet, len, fd, &err));
}

/* One message that waits, as `self` reads it; NULL when none does. */
static struct heard *
receive(int sock, enum crb_role self)
{
	struct heard *heard = malloc(sizeof(*heard));
	struct crb_err err;
	int fd = -1, closed = 0;
	size_t len = 0;

	assert_non_null(heard);
	assert_ok(crb_io_receive(sock, heard->packet, sizeof(heard->packet),
	    &len, &fd, &closed, &err));
	if (len == 0) {
		free(heard);
		return NULL;
	}
	assert_ok(crb_msg_decode(
	    heard->packet, len, fd, CRB_ROLE_CORE, self, &heard->msg, &err));
	heard->next = NULL;
	return heard;
}

static void
forget(struct heard *heard)
{
	if (heard != NULL && heard->msg.fd != -1)
		(void)close(heard->msg.fd);
	free(heard);
}

static void
keep(struct world *world, struct heard *heard)
{
	*world->last = heard;
	world->last = &heard->next;
}

static void
answer_folder(struct world *world, const struct crb_msg_folder_open *msg)
{
	struct crb_msg_folder_opened reply = { .request = msg->request,
		.ok = !world->refuse_folders,
		.error = CRB_SLICE(world->refuse_folders ? "no space" : "") };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	world->folders++;
	send_packet(world->supervisor, CRB_MSG_FOLDER_OPENED, &reply,
	    reply.ok ? fd : -1);
	(void)close(fd);
}

static void
answer_file(struct world *world, const struct crb_msg_file_open *msg)
{
	const struct crb_msg_file_opened reply = {
		.request = msg->request, .ok = 1, .error = CRB_SLICE("")
	};

	int *fd = msg->file == CRB_SESSION_TOKEN ? &world->token_fd
						 : &world->config_fd;

	if (*fd != -1)
		(void)close(*fd);
	*fd = memfd_create("file", MFD_CLOEXEC);
	send_packet(world->supervisor, CRB_MSG_FILE_OPENED, &reply, *fd);
}

static void
answer_policy(struct world *world, unsigned file, uint32_t request)
{
	const char *why = world->refuse_policies;
	const struct crb_msg_policy_opened reply = { .request = request,
		.ok = why == NULL,
		.error = CRB_SLICE(why != NULL ? why : "") };
	const char *text = world->policy[file];
	struct crb_err err;
	int fd = -1;

	if (text != NULL && why == NULL) {
		fd = memfd_create("policy", MFD_CLOEXEC);
		assert_ok(
		    crb_io_write(fd, text, strlen(text), PATIENCE_MS, &err));
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	}
	send_packet(world->supervisor, CRB_MSG_POLICY_OPENED, &reply, fd);
	if (fd != -1)
		(void)close(fd);
}

void
world_release_policies(struct world *world)
{
	world->hold_policies = false;
	for (unsigned i = 0; i < CRB_POLICY_FILES; i++)
		if (world->held_policy[i] != 0)
			answer_policy(world, i, world->held_policy[i]);
	memset(world->held_policy, 0, sizeof(world->held_policy));
}

static void
answer_kdf(struct world *world, const struct crb_msg_kdf_start *msg)
{
	const struct crb_msg_kdf_started reply = {
		.request = msg->request, .ok = 1, .error = CRB_SLICE("")
	};
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	send_packet(world->supervisor, CRB_MSG_KDF_STARTED, &reply, pair[1]);
	(void)close(pair[1]);
	world->kdf = pair[0];
}

/* What credbroker-kdf does. */
static void
play_kdf(struct world *world)
{
	CRB_AUTO_SECRET struct crb_secret *passphrase = NULL;
	CRB_AUTO_KEY struct crb_key *key = NULL;
	struct pollfd ready = { .fd = world->kdf, .events = POLLIN };
	struct crb_kdf_request request;
	struct crb_err err;

	if (world->kdf == -1 || poll(&ready, 1, 0) != 1)
		return;
	assert_ok(crb_kdf_read(world->kdf, &request, &passphrase, &err));
	assert_ok(crb_vault_kdf(&request, passphrase, &key, &err));
	assert_ok(crb_kdf_write(world->kdf, key, &err));
	(void)close(world->kdf);
	world->kdf = -1;
}

static void
play_supervisor(struct world *world)
{
	struct heard *heard;

	while (
	    (heard = receive(world->supervisor, CRB_ROLE_SUPERVISOR)) != NULL) {
		const struct crb_msg *msg = &heard->msg;

		if (msg->type == CRB_MSG_FOLDER_OPEN)
			answer_folder(world, &msg->folder_open);
		else if (msg->type == CRB_MSG_FILE_OPEN)
			answer_file(world, &msg->file_open);
		else if (msg->type == CRB_MSG_POLICY_OPEN) {
			const struct crb_msg_policy_open *file =
			    &msg->policy_open;

			if (world->hold_policies)
				world->held_policy[file->file] = file->request;
			else
				answer_policy(world, file->file, file->request);
		} else if (msg->type == CRB_MSG_FOLDER_REMOVE) {
			world->removed++;
			send_packet(world->supervisor, CRB_MSG_FOLDER_REMOVED,
			    &(struct crb_msg_folder_removed){
				.request = msg->folder_remove.request,
				.ok = 1,
				.error = CRB_SLICE("") },
			    -1);
		} else if (msg->type == CRB_MSG_KDF_START)
			answer_kdf(world, &msg->kdf_start);
		else if (msg->type == CRB_MSG_HOOK)
			world->hooks++;
		else if (msg->type == CRB_MSG_READY)
			world->ready++;
		forget(heard);
	}
}

static void
play_gateway(struct world *world)
{
	struct heard *heard;

	while ((heard = receive(world->gateway, CRB_ROLE_GATEWAY)) != NULL) {
		const struct crb_msg_session_end *end = &heard->msg.session_end;

		if (heard->msg.type == CRB_MSG_SESSION_END && !world->hold_acks)
			send_packet(world->gateway, CRB_MSG_SESSION_ENDED,
			    &(struct crb_msg_session_ended){
				.request = end->request,
				.session = end->session },
			    -1);
		if (heard->msg.type == CRB_MSG_LEASE_DROP && !world->hold_acks)
			send_packet(world->gateway, CRB_MSG_LEASE_DROPPED,
			    &(struct crb_msg_lease_dropped){
				.request = heard->msg.lease_drop.request },
			    -1);
		keep(world, heard);
	}
}

static void
play_egress(struct world *world)
{
	struct heard *heard;

	while ((heard = receive(world->egress, CRB_ROLE_EGRESS)) != NULL) {
		const struct crb_msg_session_drop *drop =
		    &heard->msg.session_drop;

		if (heard->msg.type == CRB_MSG_SESSION_DROP &&
		    !world->hold_acks)
			send_packet(world->egress, CRB_MSG_SESSION_DROPPED,
			    &(struct crb_msg_session_dropped){
				.request = drop->request,
				.session = drop->session },
			    -1);
		keep(world, heard);
	}
}

static void
stop_loop(void *ctx)
{
	crb_loop_stop(ctx);
}

void
world_turn(struct world *world)
{
	struct crb_timer timer;
	struct crb_err err;

	crb_timer_init(&timer, stop_loop, world->loop);
	assert_ok(crb_timer_set(world->loop, &timer, 1, &err));
	assert_ok(crb_loop_run(world->loop, &err));
	play_supervisor(world);
	play_kdf(world);
	if (world->gateway != -1)
		play_gateway(world);
	if (world->egress != -1)
		play_egress(world);
}

static void
link_peer(struct world *world, enum crb_role role, int *ours)
{
	const struct crb_msg_peer peer = { .role = (uint8_t)role };
	struct crb_err err;
	int pair[2];

	if (*ours != -1)
		(void)close(*ours);
	assert_ok(crb_bus_pair(pair, &err));
	*ours = pair[0];
	send_packet(world->supervisor, CRB_MSG_PEER, &peer, pair[1]);
	(void)close(pair[1]);
}

static void
admin_address(const struct world *world, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(out->sun_path, sizeof(out->sun_path), "%.90s/admin.sock",
	    world->folder);
}

static void
send_admin(struct world *world)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	admin_address(world, &address);
	(void)unlink(address.sun_path);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 128), 0);
	send_packet(
	    world->supervisor, CRB_MSG_ADMIN, &(struct crb_msg_admin){ 0 }, fd);
	(void)close(fd);
}

int
world_connect(struct world *world)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	admin_address(world, &address);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Send a byte with descriptors of files: what a client shows of itself. */
void
world_send_files(int sock, char byte, const char *const *path, size_t count)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *at = CMSG_FIRSTHDR(&msg);
	int fd[16];

	assert_true(count <= 16);
	for (size_t i = 0; i < count; i++) {
		fd[i] = open(path[i], O_RDONLY | O_CLOEXEC);
		assert_int_not_equal(fd[i], -1);
	}
	at->cmsg_level = SOL_SOCKET;
	at->cmsg_type = SCM_RIGHTS;
	at->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(at), fd, count * sizeof(int));
	assert_int_equal(sendmsg(sock, &msg, MSG_NOSIGNAL), 1);
	for (size_t i = 0; i < count; i++)
		(void)close(fd[i]);
}

/* A blank is the first byte: lines that are read later begin behind it. */
int
world_connect_proven(struct world *world)
{
	static const char *const path[] = { "/proc/self/ns/user",
		"/proc/self/ns/pid" };
	int fd = world_connect(world);

	world_send_files(fd, ' ', path, 2);
	return fd;
}

static void
start_core(struct world *world)
{
	struct crb_core_options options = { .state_folder = world->state,
		.runtime_folder = world->runtime,
		.key_file = world->key,
		.owner = geteuid(),
		.config_file = world->config[0] != '\0' ? world->config
							: NULL };
	struct crb_err err;
	int pair[2];

	assert_ok(crb_loop_new(&world->loop, &err));
	assert_ok(crb_bus_pair(pair, &err));
	world->supervisor = pair[0];
	options.loop = world->loop;
	options.supervisor = pair[1];
	assert_ok(crb_core_new(&options, &world->core, &err));
	world->gateway = world->egress = -1;
	link_peer(world, CRB_ROLE_GATEWAY, &world->gateway);
	link_peer(world, CRB_ROLE_EGRESS, &world->egress);
	send_admin(world);
	world->ready = 0;
	for (int i = 0; i < PATIENCE_MS && world->ready == 0; i++)
		world_turn(world);
	assert_int_equal(world->ready, 1);
	world->admin = world_connect_proven(world);
}

static void
stop_core(struct world *world)
{
	crb_core_free(world->core);
	crb_loop_free(world->loop);
	(void)close(world->supervisor);
	(void)close(world->gateway);
	(void)close(world->egress);
	(void)close(world->admin);
	for (struct heard *at = world->first, *next; at != NULL; at = next) {
		next = at->next;
		forget(at);
	}
	forget(world->current);
	world->current = NULL;
	world->first = NULL;
	world->last = &world->first;
}

static void
write_config(struct world *world, const char *config)
{
	struct crb_err err;

	if (config == NULL)
		return;
	(void)snprintf(world->config, sizeof(world->config), "%.80s/config",
	    world->folder);
	assert_ok(crb_io_write_file(
	    world->config, config, strlen(config), 0600, &err));
}

static void
make_places(struct world *world)
{
	*world = (struct world){ .token_fd = -1, .config_fd = -1, .kdf = -1 };
	world->last = &world->first;
	unit_folder_make(world->folder);
	(void)snprintf(
	    world->state, sizeof(world->state), "%s/state", world->folder);
	(void)snprintf(
	    world->runtime, sizeof(world->runtime), "%s/run", world->folder);
	(void)snprintf(world->key, sizeof(world->key), "%s/key", world->folder);
	assert_int_equal(mkdir(world->state, 0700), 0);
}

void
world_start_locked(struct world *world, const char *passphrase)
{
	CRB_AUTO_SECRET struct crb_secret *secret = NULL;
	struct crb_vault_init init = {
		.cost = { crypto_pwhash_OPSLIMIT_MODERATE,
		    crypto_pwhash_MEMLIMIT_MODERATE },
	};
	struct crb_err err;

	make_places(world);
	assert_ok(
	    crb_secret_copy(passphrase, strlen(passphrase), &secret, &err));
	init.passphrase = secret;
	assert_ok(crb_vault_create(world->state, &init, &err));
	world->key[0] = '\0';
	start_core(world);
}

void
world_start(struct world *world, const char *config)
{
	struct crb_vault_init init = { 0 };
	struct crb_err err;

	make_places(world);
	init.key_file = world->key;
	assert_ok(crb_vault_create(world->state, &init, &err));
	write_config(world, config);
	start_core(world);
}

void
world_stop(struct world *world)
{
	stop_core(world);
	if (world->token_fd != -1)
		(void)close(world->token_fd);
	if (world->config_fd != -1)
		(void)close(world->config_fd);
	unit_folder_remove(world->folder);
}

void
world_restart(struct world *world)
{
	stop_core(world);
	start_core(world);
}

void
world_restart_on(struct world *world, const char *state)
{
	stop_core(world);
	(void)snprintf(world->state, sizeof(world->state), "%s", state);
	start_core(world);
}

void
world_lose_gateway(struct world *world)
{
	link_peer(world, CRB_ROLE_GATEWAY, &world->gateway);
	world_turn(world);
}

void
world_lose_egress(struct world *world)
{
	link_peer(world, CRB_ROLE_EGRESS, &world->egress);
	world_turn(world);
}

void
world_write(struct world *world, const char *bytes, size_t len)
{
	for (size_t sent = 0; sent < len;) {
		ssize_t n = send(world->admin, bytes + sent, len - sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			world_turn(world);
		else
			sent += (size_t)n;
	}
}

/* NULL when the connection is closed. */
char *
world_read_line(struct world *world)
{
	struct crb_buf line = CRB_BUF_INIT(1u << 26);
	char c = '\0';

	for (int i = 0; i < PATIENCE_MS && c != '\n';) {
		ssize_t n = recv(world->admin, &c, 1, MSG_DONTWAIT);

		if (n == 0 && line.len == 0)
			return NULL;
		if (n == 1 && c != '\n')
			crb_buf_char(&line, c);
		if (n < 0) {
			world_turn(world);
			i++;
		}
	}
	assert_int_equal(c, '\n');
	return crb_buf_steal(&line);
}

void
world_send(struct world *world, const char *method, json_t *params)
{
	CRB_AUTO_JSON json_t *request = json_pack("{s:s, s:i, s:s, s:o}",
	    "jsonrpc", "2.0", "id", 7, "method", method, "params",
	    params != NULL ? params : json_object());
	char *text = crb_json_text(request);

	world_write(world, text, strlen(text));
	world_write(world, "\n", 1);
	crb_json_text_free(text);
}

json_t *
world_receive(struct world *world)
{
	char *line = world_read_line(world);
	struct crb_err err;
	json_t *answer;

	assert_non_null(line);
	assert_ok(crb_json_parse(line, strlen(line), "answer", &answer, &err));
	free(line);
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), 7);
	return answer;
}

json_t *
world_ask(struct world *world, const char *method, json_t *params)
{
	world_send(world, method, params);
	return world_receive(world);
}

json_t *
world_call(struct world *world, const char *method, json_t *params)
{
	CRB_AUTO_JSON json_t *answer = world_ask(world, method, params);
	json_t *error = json_object_get(answer, "error");

	if (error != NULL)
		fail_msg("%s: %s", method,
		    json_string_value(json_object_get(error, "message")));
	return json_incref(json_object_get(answer, "result"));
}

void
world_call_fails(struct world *world, const char *method, json_t *params,
    const char *code, const char *says)
{
	CRB_AUTO_JSON json_t *answer = world_ask(world, method, params);
	json_t *error = json_object_get(answer, "error");
	const char *message = json_string_value(
	    json_object_get(error, "message"));

	assert_non_null(error);
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(error, "data"), "code")),
	    code);
	if (strstr(message, says) == NULL)
		fail_msg(
		    "%s: \"%s\" does not say \"%s\"", method, message, says);
}

static struct heard *
take(struct world *world, enum crb_msg_type type)
{
	for (struct heard **at = &world->first; *at != NULL;
	     at = &(*at)->next) {
		struct heard *heard = *at;

		if (heard->msg.type != type)
			continue;
		*at = heard->next;
		if (heard->next == NULL)
			world->last = at;
		return heard;
	}
	return NULL;
}

const struct crb_msg *
world_hear(struct world *world, enum crb_msg_type type)
{
	struct heard *heard = take(world, type);

	for (int i = 0; i < PATIENCE_MS && heard == NULL; i++) {
		world_turn(world);
		heard = take(world, type);
	}
	if (heard == NULL)
		fail_msg("the core did not say %s", crb_msg_name(type));
	forget(world->current);
	world->current = heard;
	return &heard->msg;
}

const struct crb_msg *
world_next(struct world *world)
{
	forget(world->current);
	world->current = world->first;
	if (world->current == NULL)
		return NULL;
	world->first = world->current->next;
	if (world->first == NULL)
		world->last = &world->first;
	return &world->current->msg;
}

bool
world_hears_no(struct world *world, enum crb_msg_type type)
{
	for (int i = 0; i < 20; i++) {
		world_turn(world);
		if (take(world, type) != NULL)
			return false;
	}
	return true;
}

void
world_gateway_says(struct world *world, enum crb_msg_type type, const void *msg)
{
	send_packet(world->gateway, type, msg, -1);
}

void
world_supervisor_says(
    struct world *world, enum crb_msg_type type, const void *msg)
{
	send_packet(world->supervisor, type, msg, -1);
}

void
world_egress_says(struct world *world, enum crb_msg_type type, const void *msg)
{
	send_packet(world->egress, type, msg, -1);
}

void
world_add_credential(struct world *world, const char *name)
{
	json_decref(world_call(world, "credential.add",
	    json_pack("{s:s, s:s, s:{s:[s,s], s:s, s:s}, s:s}", "name", name,
		"backend", "static", "params", "hosts", "git.test",
		"localhost:8443", "auth", "basic", "username", "robot",
		"secret", "hunter2-hunter2")));
}

void
world_issue(
    struct world *world, const char *grant, char id[CRB_SESSION_ID_MAX + 1])
{
	CRB_AUTO_JSON json_t *result = world_call(world, "session.issue",
	    json_pack("{s:s, s:[s]}", "task", "fix-1", "grants", grant));

	(void)snprintf(id, CRB_SESSION_ID_MAX + 1, "%s",
	    json_string_value(
		json_object_get(json_object_get(result, "session"), "id")));
	(void)lseek(world->token_fd, 0, SEEK_SET);
	(void)!read(world->token_fd, world->token, sizeof(world->token) - 1);
}

uint64_t
world_git(struct world *world, const char *session, const char *method,
    const char *target, const char *query)
{
	static uint64_t last = 1000;
	const struct crb_msg_exchange exchange = { .exchange = ++last,
		.session = CRB_SLICE(session),
		.route = CRB_ROUTE_GIT,
		.method = CRB_SLICE(method),
		.target = CRB_SLICE(target),
		.query = CRB_SLICE(query != NULL ? query : ""),
		.has_query = query != NULL };

	world_gateway_says(world, CRB_MSG_EXCHANGE, &exchange);
	return last;
}
