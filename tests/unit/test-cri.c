/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The provider against a runtime that answers, hangs, restarts, lies: an HTTP/2 server by nghttp2
 * on the same loop. That a real containerd is understood, the node tests show.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <glib.h>
#include <glib/gstdio.h>
#include <nghttp2/nghttp2.h>

#include "cri/cri.h"
#include "error.h"

#define UID        "5f6e7a10-0000-4000-8000-000000000001"
#define OTHER_UID  "5f6e7a10-0000-4000-8000-000000000002"
#define SANDBOX    "1111111111111111111111111111111111111111111111111111111111111111"
#define CONTAINER  "2222222222222222222222222222222222222222222222222222222222222222"
#define PATIENCE_S 20

enum manner { ANSWERS, HANGS, CLOSES, GARBAGE, HUGE, UNKNOWN_METHOD, NO_SANDBOX, NOISE };

struct server {
	struct ss_loop *loop;
	char *folder, *path;
	int listening, connected;
	nghttp2_session *session;
	enum manner manner;
	unsigned lists, refusals; /* lists of sandboxes asked for; those without ours */
	unsigned container_lists;
	bool late_container;   /* not in the first list */
	bool containers_first; /* the list of sandboxes is answered after theirs */
	int32_t held_id;
	struct stream *held;
	const char *image;
};

struct stream {
	char *path;
	GByteArray *body;
	size_t sent;
	bool huge;
};

static void respond(int32_t id, struct stream *stream);

static struct server server;
static GString *told; /* uids that changed */

/* Messages, by hand: field number and bytes. */

static void put_varint(GByteArray *out, guint64 number)
{
	do {
		guint8 byte = (guint8)(number & 0x7f) | (number > 0x7f ? 0x80 : 0);

		g_byte_array_append(out, &byte, 1);
		number >>= 7;
	} while (number);
}

static void put_bytes(GByteArray *out, guint field, const void *bytes, size_t length)
{
	put_varint(out, field << 3 | 2);
	put_varint(out, length);
	g_byte_array_append(out, bytes, (guint)length);
}

static void put_text(GByteArray *out, guint field, const char *text)
{
	put_bytes(out, field, text, strlen(text));
}

static void put_message(GByteArray *out, guint field, GByteArray *message)
{
	put_bytes(out, field, message->data, message->len);
	g_byte_array_unref(message);
}

static void put_number(GByteArray *out, guint field, guint64 number)
{
	put_varint(out, field << 3);
	put_varint(out, number);
}

static GByteArray *pair(const char *key, const char *value)
{
	GByteArray *message = g_byte_array_new();

	put_text(message, 1, key);
	put_text(message, 2, value);
	return message;
}

static GByteArray *sandbox(const char *id, const char *uid, guint64 state)
{
	GByteArray *message = g_byte_array_new(), *metadata = g_byte_array_new();

	put_text(metadata, 1, "api");
	put_text(metadata, 2, uid);
	put_text(message, 1, id);
	put_message(message, 2, metadata);
	put_number(message, 3, state);
	put_number(message, 4, 1700000000000000000u + state);
	put_message(message, 5, pair("app", state ? "old" : "api"));
	put_message(message, 5, pair("io.kubernetes.pod.uid", uid));
	put_message(message, 5, pair("bad\x1b[31m", "escape"));
	put_message(message, 6, pair("note", "of two\nlines"));
	put_text(message, 7, "runc"); /* a field that is not ours */
	return message;
}

static GByteArray *answer_sandboxes(void)
{
	static const char older[] =
		"3333333333333333333333333333333333333333333333333333333333333333";
	GByteArray *message = g_byte_array_new();

	server.lists++;
	if (server.manner == NO_SANDBOX && server.refusals++ < 3)
		return message;
	put_message(message, 1, sandbox("no id", UID, 0));
	put_message(message, 1, sandbox(older, UID, 1));
	put_message(message, 1, sandbox(SANDBOX, UID, 0));
	return message;
}

static GByteArray *answer_containers(void)
{
	GByteArray *message = g_byte_array_new(), *container = g_byte_array_new();
	GByteArray *metadata = g_byte_array_new(), *image = g_byte_array_new();

	server.container_lists++;
	put_text(metadata, 1, "web");
	put_text(image, 1, "sha256:0123");
	put_text(container, 1, CONTAINER);
	put_text(container, 2, SANDBOX);
	put_message(container, 3, metadata);
	put_message(container, 4, image);
	put_number(container, 6, 1);
	if (server.late_container && server.container_lists == 1)
		g_byte_array_unref(container);
	else
		put_message(message, 1, container);
	return message;
}

static GByteArray *answer_status(bool of_container)
{
	GByteArray *message = g_byte_array_new(), *status = g_byte_array_new();
	GByteArray *part = g_byte_array_new(), *more = g_byte_array_new();

	put_text(status, 1, of_container ? CONTAINER : SANDBOX);
	if (of_container) {
		put_text(part, 1, server.image);
		g_byte_array_unref(more);
	} else {
		put_text(part, 1, "10.0.0.7");
		put_text(more, 1, "fd00::7");
		put_message(part, 2, more);
	}
	put_message(status, of_container ? 8 : 5, part);
	put_message(message, 1, status);
	return message;
}

static GByteArray *answer(const char *path)
{
	const char *method = strrchr(path, '/') + 1;
	GByteArray *message;

	if (strcmp(method, "ListPodSandbox") == 0)
		return answer_sandboxes();
	if (strcmp(method, "ListContainers") == 0)
		return answer_containers();
	if (strcmp(method, "Version") != 0)
		return answer_status(strcmp(method, "ContainerStatus") == 0);
	message = g_byte_array_new();
	put_text(message, 2, "testd");
	put_text(message, 3, "1.2");
	return message;
}

/* The server */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t length,
			 uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
	static const char *const trailer[2][2] = {{"grpc-status", "0"}, {"grpc-status", "12"}};
	struct stream *stream = source->ptr;
	const char *const *words = trailer[server.manner == UNKNOWN_METHOD];
	nghttp2_nv nv = {(uint8_t *)(uintptr_t)words[0], (uint8_t *)(uintptr_t)words[1],
			 strlen(words[0]), strlen(words[1]), NGHTTP2_NV_FLAG_NONE};
	size_t part = MIN(length, stream->body->len - stream->sent);

	(void)user_data;
	if (stream->huge) { /* for ever */
		memset(buffer, 0x2a, length);
		return (ssize_t)length;
	}
	if (part)
		memcpy(buffer, stream->body->data + stream->sent, part);
	stream->sent += part;
	if (stream->sent == stream->body->len) {
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, id, &nv, 1);
	}
	return (ssize_t)part;
}

static void respond(int32_t id, struct stream *stream)
{
	static const char *const words[][2] = {{":status", "200"},
					       {"content-type", "application/grpc"}};
	nghttp2_nv headers[2];
	nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_body};
	g_autoptr(GByteArray) message = answer(stream->path);
	guint8 prefix[5] = {0, 0, (guint8)(message->len >> 16), (guint8)(message->len >> 8),
			    (guint8)message->len};

	if (server.manner == HANGS)
		return;
	stream->huge = server.manner == HUGE && strstr(stream->path, "List");
	if (server.manner == GARBAGE)
		memset(message->data, 0xff, message->len);
	g_byte_array_append(stream->body, prefix, sizeof(prefix));
	g_byte_array_append(stream->body, message->data, message->len);
	for (int i = 0; i < 2; i++)
		headers[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)words[i][0],
					  (uint8_t *)(uintptr_t)words[i][1], strlen(words[i][0]),
					  strlen(words[i][1]), NGHTTP2_NV_FLAG_NONE};
	nghttp2_submit_response(server.session, id, headers, 2, &body);
}

static int begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
	struct stream *stream = g_new0(struct stream, 1);

	(void)user_data;
	stream->body = g_byte_array_new();
	nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
	return 0;
}

static int header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		  size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
		  void *user_data)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags;
	(void)user_data;
	if (stream && name_length == 5 && memcmp(name, ":path", 5) == 0)
		stream->path = g_strndup((const char *)value, value_length);
	return 0;
}

static int frame_received(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)user_data;
	if (!stream || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	if (server.containers_first && strstr(stream->path, "ListPodSandbox")) {
		server.held_id = frame->hd.stream_id;
		server.held = stream;
		return 0;
	}
	respond(frame->hd.stream_id, stream);
	if (server.held && strstr(stream->path, "ListContainers"))
		respond(server.held_id, g_steal_pointer(&server.held));
	return 0;
}

static int stream_closed(nghttp2_session *session, int32_t id, uint32_t code, void *user_data)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(session, id);

	(void)code;
	(void)user_data;
	if (!stream)
		return 0;
	g_free(stream->path);
	g_byte_array_unref(stream->body);
	g_free(stream);
	return 0;
}

static void disconnect(void)
{
	if (server.connected < 0)
		return;
	ss_loop_remove(server.loop, server.connected);
	close(server.connected);
	server.connected = -1;
	nghttp2_session_terminate_session(server.session, NGHTTP2_NO_ERROR);
	nghttp2_session_del(server.session);
	server.session = NULL;
}

static void serve(uint32_t events, void *user_data)
{
	static const char noise[] = "HTTP/1.1 400 Bad Request\r\n\r\nwhat is this?";
	static guint8 buffer[65536];
	const uint8_t *data;
	ssize_t length;

	(void)events;
	(void)user_data;
	length = recv(server.connected, buffer, sizeof(buffer), MSG_DONTWAIT);
	if (length == 0 || (length < 0 && errno != EAGAIN) || server.manner == CLOSES) {
		disconnect();
		return;
	}
	if (server.manner == NOISE) {
		send(server.connected, noise, sizeof(noise), MSG_NOSIGNAL);
		return;
	}
	if (length > 0)
		nghttp2_session_mem_recv(server.session, buffer, (size_t)length);
	/* blocking writes: the client is on this loop, so only small ones, and few at a time */
	for (int i = 0; i < 4; i++) {
		length = nghttp2_session_mem_send(server.session, &data);
		if (length <= 0)
			break;
		g_assert_cmpint(send(server.connected, data, (size_t)length, MSG_NOSIGNAL), ==,
				length);
	}
	ss_loop_add(server.loop, server.connected,
		    EPOLLIN | (nghttp2_session_want_write(server.session) ? EPOLLOUT : 0), serve,
		    NULL);
}

static void accept_client(uint32_t events, void *user_data)
{
	nghttp2_session_callbacks *callbacks;
	int fd = accept(server.listening, NULL, NULL);

	(void)events;
	(void)user_data;
	if (fd < 0)
		return;
	disconnect();
	server.connected = fd;
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
	nghttp2_session_server_new(&server.session, callbacks, NULL);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(server.session, NGHTTP2_FLAG_NONE, NULL, 0);
	ss_loop_add(server.loop, fd, EPOLLIN, serve, NULL);
}

static void listen_again(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	g_strlcpy(address.sun_path, server.path, sizeof(address.sun_path));
	server.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(server.listening, (const struct sockaddr *)&address, sizeof(address)),
			==, 0);
	g_assert_cmpint(listen(server.listening, 8), ==, 0);
	ss_loop_add(server.loop, server.listening, EPOLLIN, accept_client, NULL);
}

static void stop_listening(void)
{
	ss_loop_remove(server.loop, server.listening);
	close(server.listening);
	g_unlink(server.path);
	disconnect();
}

/* The client */

static bool (*wanted)(void);

static void give_up_test(uint32_t events, void *user_data)
{
	(void)events;
	g_error("waited in vain for: %s", (const char *)user_data);
}

static void look(uint32_t events, void *user_data)
{
	(void)events;
	(void)user_data;
	if (wanted())
		ss_loop_quit(server.loop);
}

static void wait_for(bool (*condition)(void), const char *what)
{
	struct ss_timer *end, *often;

	end = ss_timer_new(server.loop, give_up_test, (void *)(uintptr_t)what);
	often = ss_timer_new(server.loop, look, NULL);
	wanted = condition;
	ss_timer_once(end, PATIENCE_S * 1000000000ull);
	ss_timer_every(often, 1000000);
	ss_loop_run(server.loop);
	ss_timer_free(often);
	ss_timer_free(end);
}

static void changed(const char *uid, void *user_data)
{
	(void)user_data;
	g_string_append_printf(told, "%s ", uid);
}

static struct ss_provider *provider;

static void set_up(enum manner manner)
{
	const struct ss_provider_callbacks callbacks = {.changed = changed};
	struct ss_cri_options options = {0};

	server = (struct server){.manner = manner, .connected = -1, .image = "example.org/web:1"};
	server.loop = ss_loop_new();
	server.folder = g_dir_make_tmp("cri-XXXXXX", NULL);
	server.path = g_build_filename(server.folder, "sock", NULL);
	told = g_string_new(NULL);
	listen_again();
	options.socket = server.path;
	g_assert_cmpint(ss_cri_new(server.loop, &options, &callbacks, &provider, NULL), ==, 0);
}

static void tear_down(void)
{
	provider->free(provider);
	stop_listening();
	ss_loop_free(server.loop);
	g_rmdir(server.folder);
	g_free(server.folder);
	g_free(server.path);
	g_string_free(told, TRUE);
}

static struct ss_pod *living_pod(void)
{
	struct ss_pod *pod = ss_pod_new();

	pod->uid = g_strdup(UID);
	pod->name = g_strdup("api");
	pod->namespace = g_strdup("production");
	pod->pid = 1;
	pod->pid_start = UINT64_MAX / 2; /* just now, and not older whenever it is asked */
	return pod;
}

static bool is_complete(void)
{
	struct ss_pod *pod = living_pod();
	bool complete = provider->complete(provider, pod);

	ss_pod_free(pod);
	return complete;
}

static bool has_labels(void)
{
	struct ss_pod *pod = living_pod();
	bool known;

	provider->complete(provider, pod);
	known = pod->sources[SS_FACT_LABELS] == SS_SOURCE_CRI;
	ss_pod_free(pod);
	return known;
}

static void test_facts(void)
{
	struct ss_pod *pod = living_pod();
	const struct ss_container *container;

	set_up(ANSWERS);
	g_assert_false(provider->complete(provider, pod)); /* it asks */
	g_assert_cmpuint(pod->labels->len, ==, 0);
	wait_for(is_complete, "everything to be told");
	g_assert_true(g_str_has_prefix(told->str, UID " "));
	provider->complete(provider, pod);
	g_assert_cmpuint(pod->labels->len, ==, 1); /* not the kubelet's, not the hostile one */
	g_assert_cmpstr(ss_labels_get(pod->labels, "app"), ==, "api");
	g_assert_cmpstr(ss_labels_get(pod->annotations, "note"), ==, "of two\nlines");
	g_assert_cmpuint(pod->addresses->len, ==, 2);
	g_assert_cmpstr(pod->addresses->pdata[1], ==, "fd00::7");
	g_assert_cmpuint(pod->containers->len, ==, 1);
	container = pod->containers->pdata[0];
	g_assert_cmpstr(container->name, ==, "web");
	g_assert_cmpstr(container->id, ==, CONTAINER);
	g_assert_cmpstr(container->image, ==, "example.org/web:1");
	g_assert_cmpint(pod->sources[SS_FACT_IMAGES], ==, SS_SOURCE_CRI);
	g_assert_true(g_str_has_prefix(provider->state(provider), "testd 1.2 at "));
	ss_pod_free(pod);
	tear_down();
}

static bool is_listed(void)
{
	return server.lists && server.container_lists;
}

/* Everything is asked for before the pod is known. */
static void expect_all(bool containers_first, bool late_container, unsigned container_lists)
{
	struct ss_pod *pod = living_pod();
	const struct ss_container *container;

	set_up(ANSWERS);
	server.containers_first = containers_first;
	server.late_container = late_container;
	provider->expect(provider);
	g_ptr_array_add(pod->containers, ss_container_new("web", CONTAINER));
	g_assert_false(provider->complete(provider, pod));
	wait_for(is_complete, "everything to be told");
	provider->complete(provider, pod);
	g_assert_cmpstr(ss_labels_get(pod->labels, "app"), ==, "api");
	g_assert_cmpuint(pod->containers->len, ==, 1);
	container = pod->containers->pdata[0];
	g_assert_cmpstr(container->image, ==, "example.org/web:1");
	g_assert_cmpuint(server.lists, ==, 1);
	g_assert_cmpuint(server.container_lists, ==, container_lists);
	ss_pod_free(pod);
	tear_down();
}

static void test_expected(void)
{
	expect_all(false, false, 1);
}

static void test_expected_containers_first(void)
{
	expect_all(true, false, 1);
}

static void test_expected_before_the_container_was_there(void)
{
	expect_all(false, true, 2);
	expect_all(true, true, 2);
}

/* Who comes when the lists are there is asked about as ever. */
static void test_expected_by_nobody(void)
{
	set_up(ANSWERS);
	provider->expect(provider);
	wait_for(is_listed, "both lists");
	g_assert_false(is_complete());
	wait_for(is_complete, "everything to be told");
	g_assert_true(has_labels());
	tear_down();
}

static void test_expected_in_vain(void)
{
	set_up(CLOSES);
	provider->expect(provider);
	g_assert_false(is_complete());
	wait_for(is_complete, "it to give up");
	g_assert_false(has_labels());
	server.manner = ANSWERS;
	wait_for(has_labels, "labels after all");
	tear_down();
}

/* What the node shows need not be asked for, a call for each pod, unless the pod is being made. */
static struct ss_pod *pod_with_address(void)
{
	struct ss_pod *pod = living_pod();

	pod->pid_start = 1;
	g_ptr_array_add(pod->addresses, g_strdup("10.244.0.7"));
	return pod;
}

static bool is_complete_with_address(void)
{
	struct ss_pod *pod = pod_with_address();
	bool complete = provider->complete(provider, pod);

	ss_pod_free(pod);
	return complete;
}

static void test_addresses_of_the_node(void)
{
	struct ss_pod *pod = pod_with_address();

	set_up(ANSWERS);
	wait_for(is_complete_with_address, "everything to be told");
	provider->complete(provider, pod);
	g_assert_cmpint(pod->sources[SS_FACT_LABELS], ==, SS_SOURCE_CRI);
	g_assert_cmpuint(pod->addresses->len, ==, 1);
	ss_pod_free(pod);
	tear_down();
}

static void test_better_source_stays(void)
{
	struct ss_pod *pod = living_pod();

	set_up(ANSWERS);
	is_complete();
	wait_for(is_complete, "everything to be told");
	ss_labels_set(pod->labels, "app", "better");
	pod->sources[SS_FACT_LABELS] = SS_SOURCE_KUBE;
	provider->complete(provider, pod);
	g_assert_cmpstr(ss_labels_get(pod->labels, "app"), ==, "better");
	ss_pod_free(pod);
	tear_down();
}

/* The node meets a container by its log, before or after the runtime tells it. */
static void test_containers_meet(void)
{
	struct ss_pod *pod = living_pod();

	set_up(ANSWERS);
	g_ptr_array_add(pod->containers, ss_container_new("web", NULL));
	g_ptr_array_add(pod->containers, ss_container_new("setup", NULL));
	provider->complete(provider, pod);
	wait_for(is_complete, "everything to be told");
	provider->complete(provider, pod);
	g_assert_cmpuint(pod->containers->len, ==, 2);
	g_assert_cmpstr(((struct ss_container *)pod->containers->pdata[0])->id, ==, CONTAINER);
	g_assert_null(((struct ss_container *)pod->containers->pdata[1])->id);
	ss_pod_free(pod);
	tear_down();
}

static void test_sandbox_comes_late(void)
{
	set_up(NO_SANDBOX);
	g_assert_false(is_complete());
	wait_for(has_labels, "labels");
	g_assert_cmpuint(server.lists, ==, 4);
	tear_down();
}

static void test_sandbox_never_comes(void)
{
	struct ss_pod *pod = living_pod();

	set_up(ANSWERS);
	g_free(pod->uid);
	pod->uid = g_strdup(OTHER_UID);
	pod->pid = 0; /* ended: one look is enough */
	g_assert_false(provider->complete(provider, pod));
	is_complete();
	wait_for(is_complete, "the other pod");
	g_assert_true(provider->complete(provider, pod));
	g_assert_cmpint(pod->sources[SS_FACT_LABELS], ==, SS_SOURCE_NONE);
	ss_pod_free(pod);
	tear_down();
}

static void assert_gives_up(enum manner manner, const char *words)
{
	set_up(manner);
	g_assert_false(is_complete());
	wait_for(is_complete, "it to give up");
	g_assert_true(strstr(told->str, UID) != NULL);
	g_assert_false(has_labels());
	if (!strstr(provider->state(provider), words))
		g_error("'%s' lacks '%s'", provider->state(provider), words);
	/* and it recovers */
	server.manner = ANSWERS;
	wait_for(has_labels, "labels after all");
	wait_for(is_complete, "the rest");
	g_assert_true(g_str_has_prefix(provider->state(provider), "testd 1.2 at "));
	tear_down();
}

static void test_hanging(void)
{
	assert_gives_up(HANGS, "timed out");
}

static void test_closing(void)
{
	assert_gives_up(CLOSES, "reset");
}

static void test_garbage(void)
{
	assert_gives_up(GARBAGE, "makes no sense");
}

static void test_huge(void)
{
	assert_gives_up(HUGE, "too long");
}

static void test_no_such_service(void)
{
	assert_gives_up(UNKNOWN_METHOD, "");
}

static void test_no_http2(void)
{
	assert_gives_up(NOISE, "reset");
}

static void test_restart(void)
{
	struct ss_pod *pod = living_pod();

	set_up(ANSWERS);
	is_complete();
	wait_for(is_complete, "everything to be told");
	stop_listening();
	g_assert_true(provider->complete(provider, pod)); /* what is known stays */
	g_assert_cmpstr(ss_labels_get(pod->labels, "app"), ==, "api");
	provider->forget(provider, UID);
	is_complete();
	wait_for(is_complete, "it to give up");
	g_assert_false(has_labels());
	listen_again();
	wait_for(has_labels, "the restarted runtime's answer");
	ss_pod_free(pod);
	tear_down();
}

static void test_no_socket(void)
{
	const struct ss_provider_callbacks callbacks = {.changed = changed};
	const struct ss_cri_options options = {.socket = "tcp://host:1"};
	struct ss_loop *loop = ss_loop_new();
	struct ss_error error = {0};

	g_assert_cmpint(ss_cri_new(loop, &options, &callbacks, &provider, &error), ==, -EINVAL);
	g_assert_nonnull(strstr(error.message, "'tcp://host:1' is no socket"));
	ss_loop_free(loop);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cri/facts", test_facts);
	g_test_add_func("/cri/expected", test_expected);
	g_test_add_func("/cri/expected-containers-first", test_expected_containers_first);
	g_test_add_func("/cri/expected-before-the-container-was-there",
			test_expected_before_the_container_was_there);
	g_test_add_func("/cri/expected-by-nobody", test_expected_by_nobody);
	g_test_add_func("/cri/expected-in-vain", test_expected_in_vain);
	g_test_add_func("/cri/addresses-of-the-node", test_addresses_of_the_node);
	g_test_add_func("/cri/better-source-stays", test_better_source_stays);
	g_test_add_func("/cri/containers-meet", test_containers_meet);
	g_test_add_func("/cri/sandbox-comes-late", test_sandbox_comes_late);
	g_test_add_func("/cri/sandbox-never-comes", test_sandbox_never_comes);
	g_test_add_func("/cri/hanging", test_hanging);
	g_test_add_func("/cri/closing", test_closing);
	g_test_add_func("/cri/garbage", test_garbage);
	g_test_add_func("/cri/huge", test_huge);
	g_test_add_func("/cri/no-such-service", test_no_such_service);
	g_test_add_func("/cri/no-http2", test_no_http2);
	g_test_add_func("/cri/restart", test_restart);
	g_test_add_func("/cri/no-socket", test_no_socket);
	return g_test_run();
}
