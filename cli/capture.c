/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "capture": the session, with progress and a summary for people. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"

static const char *const drop_words[SS_DROP_CAUSES] = {
	[SS_DROP_RING_FULL] = "buffer full (see --buffer-size)",
	[SS_DROP_BUSY] = "too many at once on one CPU",
	[SS_DROP_COPY] = "bytes not readable, zero-filled",
};

static void print_drops(const struct ss_session_result *result)
{
	const char *separator = " (";

	fprintf(stderr, "%" PRIu64 " dropped", result->dropped);
	for (int cause = 0; cause < SS_DROP_CAUSES; cause++) {
		if (!result->drops[cause])
			continue;
		fprintf(stderr, "%s%" PRIu64 " %s", separator, result->drops[cause],
			drop_words[cause]);
		separator = ", ";
	}
	if (result->late) {
		fprintf(stderr, "%s%" PRIu64 " of new pods, whose labels or owner came too late",
			separator, result->late);
		separator = ", ";
	}
	if (separator[0] == ',')
		fputc(')', stderr);
}

static const char *left_out_reason(const struct ss_options *options)
{
	if (options->dns_failure_only)
		return "DNS that did not fail";
	if (options->containers->len && !options->filter)
		return "of other containers";
	if (options->mesh == SS_MESH_PLAIN || options->ssl_plaintext)
		return "encrypted, and shown in plaintext";
	return "of exchanges that do not match";
}

static void print_counts(const struct ss_options *options, const struct ss_session_result *result)
{
	g_autofree char *size = g_format_size(result->bytes);

	fprintf(stderr, "%" PRIu64 " frames, %s, ", result->frames, size);
	print_drops(result);
	if (result->left_out)
		fprintf(stderr, ", %" PRIu64 " left out (%s)", result->left_out,
			left_out_reason(options));
	fprintf(stderr, ", %.1f s", result->seconds);
}

static void show_progress(const struct ss_session_result *so_far, int interval, void *user_data)
{
	const struct ss_options *options = user_data;
	bool terminal = isatty(STDERR_FILENO);

	if (interval) {
		if (terminal)
			fputs("\r\033[K", stderr);
		print_counts(options, so_far);
		fputc('\n', stderr);
	} else if (terminal && !options->quiet && !options->live) {
		fputs("\r\033[K", stderr);
		print_counts(options, so_far);
		fflush(stderr);
	}
}

static void summarize(const struct ss_options *options, const struct ss_session_result *result)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	print_counts(options, result);
	if (options->output && strcmp(options->output, "-") != 0)
		fprintf(stderr, ", in '%s'%s", options->output,
			result->files > 1 ? " (a ring of files)" : "");
	if (options->filter && !options->replay)
		fprintf(stderr, ", %" PRIu64 " seen before the filter", result->seen);
	if (result->unmatched && options->replay)
		fprintf(stderr, ", %" PRIu64 " others rejected by the filter", result->unmatched);
	else if (result->unmatched)
		fprintf(stderr, ", %" PRIu64 " of them rejected by tshark only", result->unmatched);
	if (result->undecided)
		fprintf(stderr,
			"; %" PRIu64 " frames may not match the filter: tshark did not decide them",
			result->undecided);
	if (result->forgotten)
		fprintf(stderr,
			"; frames may be missing of %" PRIu64
			" messages, which the filter in the kernel had no room to remember",
			result->forgotten);
	if (result->live_skipped)
		fprintf(stderr, "; the live view was too slow for %" PRIu64 " of them",
			result->live_skipped);
	fputc('\n', stderr);
	if (*result->exchanges)
		fprintf(stderr, "%s\n", result->exchanges);
	if (*result->tls)
		fprintf(stderr, "%s\n", result->tls);
}

/* Where the capture goes when nothing is said: the terminal, or the pipe that stands there. */
static int choose_output(struct ss_options *options, struct ss_error *error)
{
	if (!options->output && !options->live && !options->discard) {
		if (isatty(STDOUT_FILENO))
			options->live = true;
		else
			options->output = g_strdup("-");
	}
	if (options->output && strcmp(options->output, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			return ss_fail(error, -EINVAL,
				       "pcapng is not for the terminal: use --output FILE or "
				       "--live, or pipe it into a program");
		if (options->live)
			return ss_fail(error, -EINVAL,
				       "--live and --output - both want standard output: leave one "
				       "out");
	}
	if (options->output && g_str_has_suffix(options->output, ".pcap") && !options->quiet)
		fprintf(stderr,
			PROGRAM_NAME ": '%s' will hold pcapng, which has room for pod names; "
				     "every Wireshark reads it under this name too\n",
			options->output);
	return 0;
}

#ifdef SS_WITH_BPF
/* What else is done for the options: where TLS is read, where connections are redirected. */
static void explain_more(const struct ss_options *options, const struct ss_filter *filter)
{
	bool display = ss_filter_language(filter) == SS_FILTER_DISPLAY;

	if (ss_filter_is_empty(filter))
		return;
	if (options->mesh != SS_MESH_OFF && ss_options_name_pods(options) &&
	    (ss_filter_has_headers(filter) || ss_filter_is_whole(filter)))
		printf("on lo:          TCP that may be redirected to a sidecar passes the kernel, and "
		       "is decided as it is shown\n                (--mesh off: as it is)\n");
	if (options->ssl_keylog && ss_filter_has_messages(filter))
		printf("with keys:      the kernel can't look into TLS, so what may be TLS passes it; "
		       "tshark decides with the\n"
		       "                keys; without the rest of their connections nobody can decrypt "
		       "what is kept: better use\n                --ssl-plaintext\n");
	if (options->ssl_plaintext)
		printf("plaintext:      its packets have to match, too; %s decides%s\n",
		       display ? "tshark" : "libpcap",
		       display ? "; with what matches come the\n                segments, the other "
				 "half of HTTP exchanges and the handshakes of the connection"
			       : "");
}
#endif

static int explain_filter(const struct ss_options *options, struct ss_error *error)
{
#ifdef SS_WITH_BPF
	struct ss_filter *filter = NULL;
	g_autofree char *summary = NULL;
	int r = ss_filter_new(options->filter, &filter, error);

	if (r == 0)
		r = ss_filter_check(filter, error);
	if (r == 0) {
		if (!options->no_context)
			ss_filter_complete(filter, !options->ssl_keylog);
		summary = ss_filter_summary(filter);
		fputs(summary, stdout);
		explain_more(options, filter);
	}
	ss_filter_free(filter);
	return r;
#else
	(void)options;
	return ss_fail(error, -ENOTSUP, "this build has no capture filters");
#endif
}

int command_capture(struct ss_options *options, struct ss_error *error)
{
	struct ss_session_result result;
	int r;

	if (options->arguments->len)
		return ss_fail(error, -EINVAL,
			       "'%s' is no option: a pod is named with --pod, a filter with "
			       "--filter 'tcp port 80' (in quotes)",
			       (char *)options->arguments->pdata[0]);
	if (options->explain_filter)
		return explain_filter(options, error);
	r = choose_output(options, error);
	if (r < 0)
		return r;
	r = ss_session_run(options, show_progress, options, &result, error);
	if (!options->quiet && (r == 0 || result.frames))
		summarize(options, &result);
	return r;
}
