/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nghttp2 knows the frames; this moves bytes between it and the socket, and keeps calls. A call
 * ends in its table of finished ones and is told from there by a timer's or the socket's turn, so
 * that a reply may call again whatever was going on.
 *
 * gRPC over HTTP/2 (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md): a message is a byte "compressed",
 * four bytes of length (big endian) and the message; the status is in the trailers.
 */
#include "grpc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <nghttp2/nghttp2.h>

#include "clock.h"
#include "error.h"

#define PREFIX         5                         /* bytes before each message */
#define WINDOW         (1u << 20)                /* bytes that the peer may send unasked */
#define HELD_MAX       (2 * SS_GRPC_MESSAGE_MAX) /* bytes of all answers under way */
#define READ_BYTES     65536
#define READS_PER_TURN 8 /* then others of the loop have theirs */
#define OUTPUT_MAX     262144
#define WORDS_MAX      200
#define NSEC_PER_MSEC  1000000ull

struct call {
	int32_t stream; /* 0: not on the wire */
	uint64_t deadline_ns;
	GByteArray *request, *response;
	size_t sent;
	int error, status;
	char words[WORDS_MAX + 1];
	ss_grpc_reply reply;
	void *user_data;
	GDestroyNotify destroy;
};

struct ss_grpc {
	struct ss_loop *loop;
	struct ss_timer *timer; /* deadlines, and replies that are due at once */
	nghttp2_session *session;
	int fd, failure;
	bool writing;       /* the loop waits for room in the socket */
	GByteArray *output; /* not taken by the socket yet */
	GPtrArray *calls;   /* struct call *, in the order of their deadlines mostly */
	GPtrArray *finished;
	size_t held; /* bytes of answers */
};

static void call_free(gpointer data)
{
	struct call *call = data;

	if (call->destroy)
		call->destroy(call->user_data);
	g_byte_array_unref(call->request);
	g_byte_array_unref(call->response);
	g_free(call);
}

/* Foreign words that people will read. */
static void set_words(struct call *call, const char *text, size_t length)
{
	size_t kept = MIN(length, WORDS_MAX);

	for (size_t i = 0; i < kept; i++)
		call->words[i] = g_ascii_isprint(text[i]) ? text[i] : '?';
	call->words[kept] = '\0';
}

static void finish(struct ss_grpc *grpc, struct call *call, int error)
{
	guint position;

	if (!g_ptr_array_find(grpc->calls, call, &position))
		return;
	call->error = error;
	if (error && !call->words[0])
		set_words(call, g_strerror(-error), strlen(g_strerror(-error)));
	g_ptr_array_remove_index(grpc->calls, position);
	g_ptr_array_add(grpc->finished, call);
	if (call->stream)
		nghttp2_session_set_stream_user_data(grpc->session, call->stream, NULL);
	ss_timer_once(grpc->timer, 1);
}

static void fail(struct ss_grpc *grpc, int error)
{
	if (!grpc->failure)
		grpc->failure = error;
	ss_loop_remove(grpc->loop, grpc->fd);
	while (grpc->calls->len)
		finish(grpc, grpc->calls->pdata[grpc->calls->len - 1], error);
}

/* nghttp2 asks for the body of a request. */
static ssize_t read_request(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t size,
			    uint32_t *flags, nghttp2_data_source *source, void *user_data)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, stream);
	size_t length;

	(void)source;
	(void)user_data;
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	length = MIN(size, call->request->len - call->sent);
	if (length)
		memcpy(buffer, call->request->data + call->sent, length);
	call->sent += length;
	if (call->sent == call->request->len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)length;
}

static int data_received(nghttp2_session *session, uint8_t flags, int32_t stream,
			 const uint8_t *data, size_t length, void *user_data)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, stream);
	struct ss_grpc *grpc = user_data;

	(void)flags;
	if (!call)
		return 0;
	if (length > SS_GRPC_MESSAGE_MAX + PREFIX - call->response->len ||
	    length > HELD_MAX - grpc->held) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
		finish(grpc, call, -EMSGSIZE);
		return 0;
	}
	g_byte_array_append(call->response, data, (guint)length);
	grpc->held += length;
	return 0;
}

static bool is_named(const uint8_t *name, size_t length, const char *wanted)
{
	return length == strlen(wanted) && memcmp(name, wanted, length) == 0;
}

static int header_received(nghttp2_session *session, const nghttp2_frame *frame,
			   const uint8_t *name, size_t name_length, const uint8_t *value,
			   size_t value_length, uint8_t flags, void *user_data)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	g_autofree char *text = NULL;
	guint64 number;

	(void)flags;
	(void)user_data;
	if (!call)
		return 0;
	text = g_strndup((const char *)value, MIN(value_length, 4 * WORDS_MAX));
	if (is_named(name, name_length, "grpc-status")) {
		call->status = 2; /* UNKNOWN */
		if (g_ascii_string_to_unsigned(text, 10, 0, 16, &number, NULL))
			call->status = (int)number;
	} else if (is_named(name, name_length, "grpc-message")) {
		set_words(call, text, strlen(text));
	}
	return 0;
}

static int stream_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *user_data)
{
	struct call *call = nghttp2_session_get_stream_user_data(session, stream);

	if (call)
		finish(user_data, call, code && call->status < 0 ? -ECONNRESET : 0);
	return 0;
}

static int make_session(struct ss_grpc *grpc)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
	};
	nghttp2_session_callbacks *callbacks;
	int r = nghttp2_session_callbacks_new(&callbacks);

	if (r)
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_received);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, header_received);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
	r = nghttp2_session_client_new(&grpc->session, callbacks, grpc);
	nghttp2_session_callbacks_del(callbacks);
	if (r)
		return -ENOMEM;
	nghttp2_submit_settings(grpc->session, NGHTTP2_FLAG_NONE, settings, G_N_ELEMENTS(settings));
	nghttp2_session_set_local_window_size(grpc->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
	return 0;
}

static void socket_ready(uint32_t events, void *user_data);

static void wait_for_room(struct ss_grpc *grpc, bool wanted)
{
	if (grpc->writing != wanted)
		ss_loop_add(grpc->loop, grpc->fd, EPOLLIN | (wanted ? EPOLLOUT : 0), socket_ready,
			    grpc);
	grpc->writing = wanted;
}

/* As much as the socket takes; what nghttp2 has beyond waits there. */
static void flush(struct ss_grpc *grpc)
{
	while (!grpc->failure) {
		const uint8_t *data = NULL;
		ssize_t length = 0, written;

		if (grpc->output->len < OUTPUT_MAX)
			length = nghttp2_session_mem_send(grpc->session, &data);
		if (length < 0) {
			fail(grpc, -EPROTO);
			return;
		}
		if (length)
			g_byte_array_append(grpc->output, data, (guint)length);
		if (!grpc->output->len)
			break;
		if (length && grpc->output->len < OUTPUT_MAX)
			continue; /* many small frames, one write */
		written = send(grpc->fd, grpc->output->data, grpc->output->len, MSG_NOSIGNAL);
		if (written < 0 && errno == EAGAIN) {
			wait_for_room(grpc, true);
			return;
		}
		if (written < 0) {
			fail(grpc, -errno);
			return;
		}
		g_byte_array_remove_range(grpc->output, 0, (guint)written);
	}
	if (!grpc->failure)
		wait_for_room(grpc, false);
}

static void receive(struct ss_grpc *grpc)
{
	for (int reads = 0; reads < READS_PER_TURN && !grpc->failure; reads++) {
		uint8_t buffer[READ_BYTES];
		ssize_t length = recv(grpc->fd, buffer, sizeof(buffer), MSG_DONTWAIT), used;

		if (length < 0 && errno == EAGAIN)
			return;
		if (length <= 0) {
			fail(grpc, length ? -errno : -ECONNRESET);
			return;
		}
		used = nghttp2_session_mem_recv(grpc->session, buffer, (size_t)length);
		if (used < 0)
			fail(grpc, -EPROTO);
	}
}

static void socket_ready(uint32_t events, void *user_data)
{
	struct ss_grpc *grpc = user_data;

	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		receive(grpc);
	flush(grpc);
	if (!grpc->failure && !nghttp2_session_want_read(grpc->session) &&
	    !nghttp2_session_want_write(grpc->session))
		fail(grpc, -ECONNRESET);
}

static uint32_t big_endian(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static void tell(struct call *call)
{
	struct ss_grpc_result result = {.error = call->error, .words = call->words};
	const GByteArray *response = call->response;

	result.status = MAX(call->status, 0);
	if (!result.error && call->status < 0)
		result.error = -EPROTO; /* closed without a status: this is no gRPC */
	if (!result.error && !result.status) {
		if (response->len < PREFIX || response->data[0] != 0 ||
		    big_endian(response->data + 1) != response->len - PREFIX) {
			result.error = -EPROTO;
		} else {
			result.message = response->data + PREFIX;
			result.length = response->len - PREFIX;
		}
	}
	if (result.error && !call->words[0])
		result.words = g_strerror(-result.error);
	call->reply(&result, call->user_data);
}

static void expire(struct ss_grpc *grpc, uint64_t now_ns)
{
	for (guint i = grpc->calls->len; i > 0; i--) {
		struct call *call = grpc->calls->pdata[i - 1];

		if (now_ns < call->deadline_ns)
			continue;
		if (call->stream)
			nghttp2_submit_rst_stream(grpc->session, NGHTTP2_FLAG_NONE, call->stream,
						  NGHTTP2_CANCEL);
		finish(grpc, call, -ETIMEDOUT);
	}
}

static void set_timer(struct ss_grpc *grpc)
{
	uint64_t next_ns = UINT64_MAX, now_ns = ss_clock_ns(CLOCK_MONOTONIC);

	for (guint i = 0; i < grpc->calls->len; i++) {
		const struct call *call = grpc->calls->pdata[i];

		next_ns = MIN(next_ns, call->deadline_ns);
	}
	if (next_ns != UINT64_MAX)
		ss_timer_once(grpc->timer, next_ns > now_ns ? next_ns - now_ns : 1);
}

static void timer_expired(uint32_t events, void *user_data)
{
	struct ss_grpc *grpc = user_data;

	(void)events;
	expire(grpc, ss_clock_ns(CLOCK_MONOTONIC));
	flush(grpc);
	while (grpc->finished->len) {
		struct call *call = grpc->finished->pdata[0];

		g_ptr_array_remove_index(grpc->finished, 0);
		tell(call);
		grpc->held -= call->response->len;
		call_free(call);
	}
	set_timer(grpc);
}

struct ss_grpc *ss_grpc_new(struct ss_loop *loop, int fd)
{
	struct ss_grpc *grpc = g_new0(struct ss_grpc, 1);

	grpc->loop = loop;
	grpc->fd = fd;
	grpc->timer = ss_timer_new(loop, timer_expired, grpc);
	grpc->output = g_byte_array_new();
	grpc->calls = g_ptr_array_new();
	grpc->finished = g_ptr_array_new();
	grpc->failure = make_session(grpc);
	if (!grpc->failure)
		ss_loop_add(loop, fd, EPOLLIN, socket_ready, grpc);
	return grpc;
}

int ss_grpc_connect(struct ss_loop *loop, const char *path, struct ss_grpc **ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	ss_autofd int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* to a unix socket it succeeds at once, or fails: EAGAIN when the backlog is full */
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret = ss_grpc_new(loop, g_steal_fd(&fd));
	return 0;
}

static void free_calls(GPtrArray *calls)
{
	for (guint i = 0; i < calls->len; i++)
		call_free(calls->pdata[i]);
	g_ptr_array_unref(calls);
}

void ss_grpc_free(struct ss_grpc *grpc)
{
	if (!grpc)
		return;
	ss_loop_remove(grpc->loop, grpc->fd);
	close(grpc->fd);
	ss_timer_free(grpc->timer);
	nghttp2_session_del(grpc->session);
	free_calls(grpc->calls);
	free_calls(grpc->finished);
	g_byte_array_unref(grpc->output);
	g_free(grpc);
}

static int submit(struct ss_grpc *grpc, struct call *call, const char *method, unsigned timeout_ms)
{
	g_autofree char *timeout = g_strdup_printf("%um", timeout_ms);
	const nghttp2_data_provider body = {.read_callback = read_request};
	const struct {
		const char *name, *value;
	} headers[] = {
		{":method", "POST"},
		{":scheme", "http"},
		{":path", method},
		{":authority", "localhost"},
		{"content-type", "application/grpc"},
		{"user-agent", "stratoshark"},
		{"te", "trailers"},
		{"grpc-timeout", timeout},
	};
	nghttp2_nv values[G_N_ELEMENTS(headers)];

	for (size_t i = 0; i < G_N_ELEMENTS(headers); i++)
		values[i] = (nghttp2_nv){
			.name = (uint8_t *)(uintptr_t)headers[i].name,
			.value = (uint8_t *)(uintptr_t)headers[i].value,
			.namelen = strlen(headers[i].name),
			.valuelen = strlen(headers[i].value),
		};
	return nghttp2_submit_request(grpc->session, NULL, values, G_N_ELEMENTS(values), &body,
				      call);
}

void ss_grpc_call(struct ss_grpc *grpc, const char *method, const uint8_t *message, size_t length,
		  unsigned timeout_ms, ss_grpc_reply reply, void *user_data, GDestroyNotify destroy)
{
	const uint8_t prefix[PREFIX] = {0, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
					(uint8_t)(length >> 8), (uint8_t)length};
	struct call *call = g_new0(struct call, 1);
	int32_t stream;

	call->reply = reply;
	call->user_data = user_data;
	call->destroy = destroy;
	call->status = -1;
	call->deadline_ns = ss_clock_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC;
	call->request = g_byte_array_new();
	call->response = g_byte_array_new();
	g_byte_array_append(call->request, prefix, sizeof(prefix));
	g_byte_array_append(call->request, message, (guint)length);
	g_ptr_array_add(grpc->calls, call);
	if (grpc->failure) {
		finish(grpc, call, grpc->failure);
		return;
	}
	stream = submit(grpc, call, method, timeout_ms);
	if (stream < 0) {
		finish(grpc, call, -EPROTO);
		return;
	}
	call->stream = stream;
	flush(grpc);
	if (!grpc->finished->len)
		set_timer(grpc);
}

int ss_grpc_status(const struct ss_grpc *grpc)
{
	return grpc->failure;
}
