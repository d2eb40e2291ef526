/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcurl's multi interface drives descriptors and one timer of the loop. It may not be called from
 * its own callbacks, therefore requests begin and end in a timer's turn. One connection carries all
 * requests where the server speaks HTTP/2. A server's name is resolved by libcurl in a short-lived
 * thread: the C library has no other way that does not block.
 *
 * Answers are asked for uncompressed: a turn takes 400 KB from the network at most, which is some
 * milliseconds of work, but what they may unpack to has no such bound.
 *
 * Certificates, keys and tokens are handed over as memory; redirects are not followed, so that they
 * go nowhere else.
 */
#include "kube/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <curl/curl.h>
#include <jansson.h>

#include "kube/auth.h"
#include "kube/text.h"

#define BODY_MAX     4096 /* of an answer that is not 200: it says why */
#define CONNECT_MS   10000L
#define SENTENCE_MAX 300

struct ss_kube_client {
	struct ss_loop *loop;
	const struct ss_kube_config *config;
	struct ss_kube_auth *auth;
	CURLM *multi;
	struct ss_timer *timer; /* libcurl's */
	struct ss_timer *kick;  /* requests wait to begin or to end */
	bool inside;            /* libcurl is running */
	bool is_stuck;          /* a connection carried no answer: do not use it again */
	bool is_near;           /* on this machine: no proxy of the environment is asked */
	char *url;              /* what paths are appended to */
	char *shown;            /* for people: without a password that may be in it */
	char *host;             /* "Host: ..." when url names another; or NULL */
	struct curl_slist *connect_to;
	GQueue waiting; /* struct ss_kube_client_request *: not begun */
	GQueue running;
};

struct ss_kube_client_request {
	struct ss_kube_client *client;
	struct ss_kube_client_get get;
	char *path, *accept;
	CURL *easy; /* NULL: not begun */
	struct curl_slist *headers;
	unsigned generation; /* of the credentials */
	bool cancelled;
	bool enough;
	GString *body;
	char error[CURL_ERROR_SIZE];
};

static void request_free(struct ss_kube_client_request *request)
{
	struct ss_kube_client *client = request->client;

	if (request->easy) {
		curl_multi_remove_handle(client->multi, request->easy);
		curl_easy_cleanup(request->easy);
		g_queue_remove(&client->running, request);
	} else {
		g_queue_remove(&client->waiting, request);
	}
	for (struct curl_slist *header = request->headers; header; header = header->next)
		explicit_bzero(header->data, strlen(header->data));
	curl_slist_free_all(request->headers);
	g_string_free(request->body, TRUE);
	g_free(request->path);
	g_free(request->accept);
	g_free(request);
}

static int status_of(const struct ss_kube_client_request *request)
{
	long status = 0;

	if (request->easy)
		curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

static size_t on_data(char *data, size_t size, size_t count, void *user_data)
{
	struct ss_kube_client_request *request = user_data;
	size_t length = size * count;

	if (request->cancelled || request->enough)
		return 0;
	if (status_of(request) != 200) {
		if (request->body->len < BODY_MAX)
			g_string_append_len(request->body, data,
					    (gssize)MIN(length, BODY_MAX - request->body->len));
		return length;
	}
	if (!request->get.data(data, length, request->get.user_data)) {
		request->enough = true;
		return 0;
	}
	return length;
}

static size_t on_header(char *data, size_t size, size_t count, void *user_data)
{
	struct ss_kube_client_request *request = user_data;
	size_t length = size * count;
	bool last = length > 0 && (data[0] == '\r' || data[0] == '\n');

	if (last && !request->cancelled && request->get.answered && status_of(request) == 200)
		request->get.answered(request->get.user_data);
	return length;
}

/* The API server explains itself in a Status object. */
static char *explain(const struct ss_kube_client_request *request, int status)
{
	json_t *root = json_loadb(request->body->str, request->body->len, 0, NULL);
	const char *message = json_string_value(json_object_get(root, "message"));
	g_autofree char *text = ss_kube_printable(message ? message : "", SENTENCE_MAX);
	char *sentence = g_strdup_printf("API server: %d%s%s", status, *text ? " " : "", text);

	json_decref(root);
	return sentence;
}

static char *explain_failure(const struct ss_kube_client_request *request, CURLcode code)
{
	g_autofree char *server = ss_kube_printable(request->client->shown, 200);
	g_autofree char *text = ss_kube_printable(
		request->error[0] ? request->error : curl_easy_strerror(code), SENTENCE_MAX);

	return g_strdup_printf("API server %s: %s", server, text);
}

/* The last of a request that libcurl has finished. */
static void finish(struct ss_kube_client_request *request, CURLcode code)
{
	struct ss_kube_client_answer answer = {.status = status_of(request)};
	g_autofree char *sentence = NULL;
	curl_off_t after = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &after);
	answer.retry_after_s = after > 0 ? (unsigned)MIN(after, 3600) : 0;
	answer.complete = code == CURLE_OK;
	if (code == CURLE_OPERATION_TIMEDOUT)
		request->client->is_stuck = true;
	else if (answer.status)
		request->client->is_stuck = false;
	if (answer.status == 401)
		ss_kube_auth_refused(request->client->auth, request->generation);
	if (answer.status == 200 && code != CURLE_OK && !request->enough)
		sentence = explain_failure(request, code);
	else if (answer.status == 0)
		sentence = explain_failure(request, code);
	else if (answer.status != 200)
		sentence = explain(request, answer.status);
	answer.sentence = sentence;
	if (!request->cancelled)
		request->get.done(&answer, request->get.user_data);
	request_free(request);
}

static void run(struct ss_kube_client *client, int fd, int mask)
{
	CURLMsg *message;
	int running, left;

	client->inside = true;
	curl_multi_socket_action(client->multi, fd, mask, &running);
	client->inside = false;
	while ((message = curl_multi_info_read(client->multi, &left))) {
		char *request = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
		finish((struct ss_kube_client_request *)(void *)request, message->data.result);
	}
}

struct socket_watch {
	struct ss_kube_client *client;
	curl_socket_t fd;
};

static void on_socket(uint32_t events, void *user_data)
{
	const struct socket_watch watch = *(struct socket_watch *)user_data;

	run(watch.client, watch.fd,
	    (events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
		    (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		    (events & EPOLLERR ? CURL_CSELECT_ERR : 0));
}

/* libcurl wants to hear of other events of a descriptor. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *user_data, void *of_socket)
{
	struct ss_kube_client *client = user_data;
	struct socket_watch *watch = of_socket;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		ss_loop_remove(client->loop, fd);
		curl_multi_assign(client->multi, fd, NULL);
		g_free(watch);
		return 0;
	}
	if (!watch) {
		watch = g_new(struct socket_watch, 1);
		*watch = (struct socket_watch){client, fd};
		curl_multi_assign(client->multi, fd, watch);
	}
	ss_loop_add(client->loop, fd,
		    (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
			    (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0),
		    on_socket, watch);
	return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *user_data)
{
	struct ss_kube_client *client = user_data;

	(void)multi;
	if (timeout_ms < 0)
		ss_timer_once(client->timer, 0);
	else
		ss_timer_once(client->timer, (uint64_t)timeout_ms * 1000000 + 1);
	return 0;
}

static void on_timer(uint32_t events, void *user_data)
{
	(void)events;
	run(user_data, CURL_SOCKET_TIMEOUT, 0);
}

/* Children inherit none of them. */
static curl_socket_t open_socket(void *user_data, curlsocktype purpose,
				 struct curl_sockaddr *address)
{
	(void)user_data;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void kick(struct ss_kube_client *client)
{
	ss_timer_once(client->kick, 1);
}

static void set_blob(CURL *easy, CURLoption option, const char *text)
{
	struct curl_blob blob = {(void *)(uintptr_t)text, strlen(text), CURL_BLOB_COPY};

	curl_easy_setopt(easy, option, &blob);
}

static void set_credentials(struct ss_kube_client_request *request,
			    const struct ss_kube_credentials *credentials)
{
	CURL *easy = request->easy;

	if (credentials->certificate)
		set_blob(easy, CURLOPT_SSLCERT_BLOB, credentials->certificate);
	if (credentials->key)
		set_blob(easy, CURLOPT_SSLKEY_BLOB, credentials->key);
	if (credentials->token) {
		char *header = g_strconcat("Authorization: Bearer ", credentials->token, NULL);

		request->headers = curl_slist_append(request->headers, header);
		ss_kube_free_secret(header);
	} else if (credentials->username) {
		curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(easy, CURLOPT_USERNAME, credentials->username);
		if (credentials->password)
			curl_easy_setopt(easy, CURLOPT_PASSWORD, credentials->password);
	}
	request->generation = credentials->generation;
}

static void set_server(struct ss_kube_client *client, CURL *easy)
{
	const struct ss_kube_config *config = client->config;

	if (config->ca) {
		set_blob(easy, CURLOPT_CAINFO_BLOB, config->ca);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* and no other */
	}
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config->insecure ? 0L : 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (config->proxy_url)
		curl_easy_setopt(easy, CURLOPT_PROXY, config->proxy_url);
	else if (client->is_near)
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	if (client->is_stuck)
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	if (client->connect_to)
		curl_easy_setopt(easy, CURLOPT_CONNECT_TO, client->connect_to);
}

static void set_request(struct ss_kube_client_request *request)
{
	CURL *easy = request->easy;
	g_autofree char *url = g_strconcat(request->client->url, request->path, NULL);
	g_autofree char *accept = g_strconcat("Accept: ", request->accept, NULL);

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 4096L); /* a hundred of them make a turn */
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "stratoshark/" SS_VERSION);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
	if (request->get.silence_s) {
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)request->get.silence_s);
	}
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)request->get.total_s);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	request->headers = curl_slist_append(request->headers, accept);
	if (request->client->host)
		request->headers = curl_slist_append(request->headers, request->client->host);
}

static void begin(struct ss_kube_client_request *request,
		  const struct ss_kube_credentials *credentials)
{
	struct ss_kube_client *client = request->client;

	g_queue_remove(&client->waiting, request);
	g_queue_push_tail(&client->running, request);
	request->easy = curl_easy_init();
	if (!request->easy)
		g_error("curl_easy_init: out of memory");
	set_request(request);
	set_server(client, request->easy);
	set_credentials(request, credentials);
	curl_easy_setopt(request->easy, CURLOPT_HTTPHEADER, request->headers);
	curl_multi_add_handle(client->multi, request->easy);
}

/* There are no credentials: nobody is asked. */
static void refuse_waiting(struct ss_kube_client *client, const struct ss_error *error)
{
	g_autofree char *sentence = ss_kube_printable(error->message, sizeof(error->message));
	const struct ss_kube_client_answer answer = {.sentence = sentence};

	for (guint count = g_queue_get_length(&client->waiting); count > 0; count--) {
		struct ss_kube_client_request *request = g_queue_peek_head(&client->waiting);

		if (!request)
			break;
		request->get.done(&answer, request->get.user_data);
		request_free(request);
	}
}

static void on_kick(uint32_t events, void *user_data)
{
	struct ss_kube_client *client = user_data;
	struct ss_kube_credentials credentials;
	struct ss_error error = {0};
	GList *next;
	int r;

	(void)events;
	for (GList *link = client->running.head; link; link = next) {
		struct ss_kube_client_request *request = link->data;

		next = link->next;
		if (request->cancelled)
			request_free(request);
	}
	while (!g_queue_is_empty(&client->waiting)) {
		r = ss_kube_auth_get(client->auth, &credentials, &error);
		if (r == -EAGAIN)
			return;
		if (r < 0) {
			refuse_waiting(client, &error);
			return;
		}
		begin(g_queue_peek_head(&client->waiting), &credentials);
	}
}

static void on_ready(void *user_data)
{
	kick(user_data);
}

struct ss_kube_client_request *ss_kube_client_get(struct ss_kube_client *client,
						  const struct ss_kube_client_get *get)
{
	struct ss_kube_client_request *request = g_new0(struct ss_kube_client_request, 1);

	request->client = client;
	request->get = *get;
	request->path = g_strdup(get->path);
	request->accept = g_strdup(get->accept ? get->accept : "application/json");
	request->body = g_string_new(NULL);
	g_queue_push_tail(&client->waiting, request);
	kick(client);
	return request;
}

void ss_kube_client_distrust(struct ss_kube_client *client)
{
	client->is_stuck = true;
}

void ss_kube_client_cancel(struct ss_kube_client_request *request)
{
	if (!request)
		return;
	request->cancelled = true;
	if (request->easy && request->client->inside)
		kick(request->client);
	else
		request_free(request);
}

/* tls-server-name: the URL has the name that the certificate has, the connection goes to the server
 * all the same. */
static int set_url(struct ss_kube_client *client, struct ss_error *error)
{
	const struct ss_kube_config *config = client->config;
	char *host = NULL, *port = NULL, *path = NULL, *scheme = NULL;
	CURLU *url = curl_url();
	int r = 0;

	if (curl_url_set(url, CURLUPART_URL, config->server, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK) {
		r = ss_fail(error, -EINVAL,
			    "the kubeconfig's server is no address of an API server");
	} else {
		client->shown = g_strdup_printf("%s://%s:%s", scheme, host, port);
		client->is_near = !strcmp(host, "localhost") || !strcmp(host, "[::1]") ||
				  g_str_has_prefix(host, "127.");
		client->url = g_strdup(config->server);
	}
	if (r == 0 && config->tls_server_name) {
		g_autofree char *to = g_strdup_printf("::%s:%s", host, port);

		g_free(client->url);
		client->url = g_strdup_printf("%s://%s:%s%s", scheme, config->tls_server_name, port,
					      strcmp(path, "/") ? path : "");
		client->host = g_strdup_printf("Host: %s:%s", host, port);
		client->connect_to = curl_slist_append(NULL, to);
	}
	curl_free(host);
	curl_free(port);
	curl_free(path);
	curl_free(scheme);
	curl_url_cleanup(url);
	return r;
}

int ss_kube_client_new(struct ss_loop *loop, const struct ss_kube_config *config,
		       struct ss_kube_client **ret, struct ss_error *error)
{
	struct ss_kube_client *client = g_new0(struct ss_kube_client, 1);
	int r;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	client->loop = loop;
	client->config = config;
	g_queue_init(&client->waiting);
	g_queue_init(&client->running);
	client->timer = ss_timer_new(loop, on_timer, client);
	client->kick = ss_timer_new(loop, on_kick, client);
	client->auth = ss_kube_auth_new(loop, config, on_ready, client);
	client->multi = curl_multi_init();
	if (!client->multi)
		g_error("curl_multi_init: out of memory");
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	r = set_url(client, error);
	if (r < 0) {
		ss_kube_client_free(client);
		return r;
	}
	*ret = client;
	return 0;
}

void ss_kube_client_free(struct ss_kube_client *client)
{
	struct ss_kube_client_request *request;

	if (!client)
		return;
	while ((request = g_queue_peek_head(&client->waiting)))
		request_free(request);
	while ((request = g_queue_peek_head(&client->running)))
		request_free(request);
	curl_multi_cleanup(client->multi);
	curl_slist_free_all(client->connect_to);
	ss_kube_auth_free(client->auth);
	ss_timer_free(client->kick);
	ss_timer_free(client->timer);
	g_free(client->url);
	g_free(client->shown);
	g_free(client->host);
	g_free(client);
	curl_global_cleanup();
}
