/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines by getopt_long(3), whose tables are made from option_table.c. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#define NSEC_PER_SEC 1000000000.0

void ss_options_init(struct ss_options *options)
{
	*options = (struct ss_options){
		.pods = g_ptr_array_new_with_free_func(g_free),
		.namespaces = g_ptr_array_new_with_free_func(g_free),
		.interfaces = g_ptr_array_new_with_free_func(g_free),
		.selectors = g_ptr_array_new_with_free_func(g_free),
		.workloads = g_ptr_array_new_with_free_func(g_free),
		.containers = g_ptr_array_new_with_free_func(g_free),
		.arguments = g_ptr_array_new_with_free_func(g_free),
		.snap_len = SS_DEFAULT_SNAPLEN,
		.buffer_bytes = SS_DEFAULT_BUFFER_MIB << 20,
		.call_bytes = SS_DEFAULT_CALL_BYTES,
		.dns_timeout_ns = SS_DEFAULT_DNS_TIMEOUT_NS,
	};
}

void ss_options_deinit(struct ss_options *options)
{
	g_ptr_array_unref(options->pods);
	g_ptr_array_unref(options->namespaces);
	g_ptr_array_unref(options->interfaces);
	g_ptr_array_unref(options->arguments);
	g_ptr_array_unref(options->selectors);
	g_ptr_array_unref(options->workloads);
	g_ptr_array_unref(options->containers);
	g_free(options->node);
	g_free(options->kubeconfig);
	g_free(options->context);
	g_free(options->filter);
	g_free(options->output);
	g_free(options->record);
	g_free(options->replay);
	g_free(options->keylog_file);
	g_free(options->redact_rules);
	g_free(options->bpf_program);
}

int ss_duration_parse(const char *text, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	double total = 0;

	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t length = 0, digits;
		double value, factor = 0;
		char *end;

		digits = strspn(text, "0123456789.");
		if (!digits)
			return -EINVAL;
		value = g_ascii_strtod(text, &end);
		if (end != text + digits) /* 0x10, 1e3, 1.2.3 */
			return -EINVAL;
		while (g_ascii_isalpha(end[length]))
			length++;
		if (length == 0 && !*end)
			factor = 1;
		for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
			if (strlen(units[i].unit) == length &&
			    strncmp(units[i].unit, end, length) == 0)
				factor = units[i].seconds;
		if (factor == 0)
			return -EINVAL;
		total += value * factor;
		text = end + length;
	}
	/* 100 years: beyond, arithmetic on times would overflow. */
	if (!(total > 0) || total > 100.0 * 365 * 86400)
		return -EINVAL;
	*ret_ns = (uint64_t)(total * NSEC_PER_SEC + 0.5);
	return *ret_ns ? 0 : -EINVAL;
}

int ss_size_parse(const char *text, uint64_t *ret_bytes)
{
	static const char letters[] = "kMGT";
	uint64_t value, factor = 1;
	const char *letter;
	char *end;

	if (!g_ascii_isdigit(*text))
		return -EINVAL;
	errno = 0;
	value = g_ascii_strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	if (*end) {
		char upper = *end == 'K'                    ? 'k'
			     : g_ascii_tolower(*end) == 'k' ? 'k'
							    : g_ascii_toupper(*end);
		uint64_t base = 1000;

		letter = strchr(letters, upper);
		if (!letter)
			return -EINVAL;
		end++;
		if (*end == 'i') {
			base = 1024;
			end++;
		}
		if (*end == 'B')
			end++;
		if (*end)
			return -EINVAL;
		for (const char *p = letters; p <= letter; p++)
			factor *= base;
	}
	if (value == 0 || value > UINT64_MAX / factor)
		return -EINVAL;
	*ret_bytes = value * factor;
	return 0;
}

static int parse_number(const char *name, const char *text, uint64_t maximum, uint64_t *ret_value,
			struct ss_error *error)
{
	guint64 value;

	if (!g_ascii_string_to_unsigned(text, 10, 0, maximum, &value, NULL))
		return ss_fail(error, -EINVAL,
			       "--%s takes a whole number from 0 to %" G_GUINT64_FORMAT
			       ", not '%s'",
			       name, (guint64)maximum, text);
	*ret_value = value;
	return 0;
}

/* The value's place in the row's comma-separated list. */
static int parse_choice(const struct ss_option *row, const char *text, int *ret_index,
			struct ss_error *error)
{
	g_auto(GStrv) values = g_strsplit(row->values, ",", -1);

	for (int i = 0; values[i]; i++) {
		if (strcmp(values[i], text) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	return ss_fail(error, -EINVAL, "--%s takes one of %s, not '%s'", row->name, row->values,
		       text);
}

static int parse_duration(const struct ss_option *row, const char *text, uint64_t *ret_ns,
			  struct ss_error *error)
{
	if (ss_duration_parse(text, ret_ns) < 0)
		return ss_fail(error, -EINVAL,
			       "--%s takes a time such as 300s, 5m or 1h30m, not '%s'", row->name,
			       text);
	return 0;
}

static int parse_size(const struct ss_option *row, const char *text, uint64_t *ret_bytes,
		      struct ss_error *error)
{
	if (ss_size_parse(text, ret_bytes) < 0)
		return ss_fail(error, -EINVAL, "--%s takes a size such as 100M or 1G, not '%s'",
			       row->name, text);
	return 0;
}

static void set_text(char **field, const char *text)
{
	g_free(*field);
	*field = g_strdup(text);
}

static int apply(struct ss_options *options, const struct ss_option *row, const char *value,
		 struct ss_error *error)
{
	uint64_t number = 0;
	int r = 0, index = 0;

	switch (row->id) {
	case SS_OPTION_POD:
		g_ptr_array_add(options->pods, g_strdup(value));
		break;
	case SS_OPTION_NAMESPACE:
		g_ptr_array_add(options->namespaces, g_strdup(value));
		break;
	case SS_OPTION_SELECTOR:
		g_ptr_array_add(options->selectors, g_strdup(value));
		break;
	case SS_OPTION_WORKLOAD:
		g_ptr_array_add(options->workloads, g_strdup(value));
		break;
	case SS_OPTION_CONTAINER:
		g_ptr_array_add(options->containers, g_strdup(value));
		break;
	case SS_OPTION_ALL_PODS:
		options->all_pods = true;
		break;
	case SS_OPTION_NODE:
		set_text(&options->node, value);
		break;
	case SS_OPTION_KUBECONFIG:
		set_text(&options->kubeconfig, value);
		break;
	case SS_OPTION_CONTEXT:
		set_text(&options->context, value);
		break;
	case SS_OPTION_NO_KUBE:
		options->no_kube = true;
		break;
	case SS_OPTION_NO_CRI:
		options->no_cri = true;
		break;
	case SS_OPTION_STATS_HIERARCHY:
		options->statistics |= SS_STATISTIC_HIERARCHY;
		break;
	case SS_OPTION_STATS_FLOWS:
		options->statistics |= SS_STATISTIC_FLOWS;
		break;
	case SS_OPTION_STATS_PODS:
		options->statistics |= SS_STATISTIC_PODS;
		break;
	case SS_OPTION_STATS_CONVERSATIONS:
		options->statistics |= SS_STATISTIC_CONVERSATIONS;
		break;
	case SS_OPTION_WATCH:
		options->watch = true;
		break;
	case SS_OPTION_INTERFACE:
		g_ptr_array_add(options->interfaces, g_strdup(value));
		break;
	case SS_OPTION_FILTER:
		set_text(&options->filter, value);
		break;
	case SS_OPTION_OUTPUT:
		set_text(&options->output, value);
		break;
	case SS_OPTION_BPF_PROGRAM:
		set_text(&options->bpf_program, value);
		break;
	case SS_OPTION_RECORD:
		set_text(&options->record, value);
		break;
	case SS_OPTION_REPLAY:
		set_text(&options->replay, value);
		break;
	case SS_OPTION_DURATION:
		return parse_duration(row, value, &options->duration_ns, error);
	case SS_OPTION_STATS_INTERVAL:
		return parse_duration(row, value, &options->stats_interval_ns, error);
	case SS_OPTION_RING_TIME:
		return parse_duration(row, value, &options->ring_ns, error);
	case SS_OPTION_COUNT:
		return parse_number(row->name, value, INT64_MAX, &options->count, error);
	case SS_OPTION_SNAPLEN:
		r = parse_number(row->name, value, SS_DEFAULT_SNAPLEN, &number, error);
		options->snap_len = number ? (uint32_t)number : SS_DEFAULT_SNAPLEN;
		return r;
	case SS_OPTION_BUFFER_SIZE:
		r = parse_number(row->name, value, 256, &number, error);
		options->buffer_bytes = (uint32_t)(number ? number : SS_DEFAULT_BUFFER_MIB) << 20;
		return r;
	case SS_OPTION_RING_FILES:
		r = parse_number(row->name, value, 100000, &number, error);
		options->ring_files = (unsigned)number;
		return r;
	case SS_OPTION_RING_SIZE:
		return parse_size(row, value, &options->ring_bytes, error);
	case SS_OPTION_TLS_MAX_CALL:
		r = parse_size(row, value, &number, error);
		options->call_bytes = (uint32_t)MIN(number, 1u << 30);
		return r;
	case SS_OPTION_KEYLOG_FILE:
		set_text(&options->keylog_file, value);
		options->ssl_keylog = true;
		break;
	case SS_OPTION_REDACT_RULES:
		set_text(&options->redact_rules, value);
		options->redact = SS_REDACT_ALL;
		break;
	case SS_OPTION_REDACT:
		options->redact = SS_REDACT_ALL;
		break;
	case SS_OPTION_NO_REDACT:
		options->redact = SS_REDACT_NOTHING;
		break;
	case SS_OPTION_SSL_KEYLOG:
		options->ssl_keylog = true;
		break;
	case SS_OPTION_SSL_PLAINTEXT:
		options->ssl_plaintext = true;
		break;
	case SS_OPTION_NO_PROCESSES:
		options->no_processes = true;
		break;
	case SS_OPTION_NO_PACKETS:
		options->no_packets = true;
		break;
	case SS_OPTION_NO_URETPROBE:
		options->no_uretprobe = true;
		break;
	case SS_OPTION_ATTACH:
		r = parse_choice(row, value, &index, error);
		options->attach = (enum ss_attach_mode)index;
		return r;
	case SS_OPTION_MESH:
		r = parse_choice(row, value, &index, error);
		options->mesh = (enum ss_mesh_mode)index;
		return r;
	case SS_OPTION_FORMAT:
		r = parse_choice(row, value, &index, error);
		options->format = (enum ss_list_format)index;
		return r;
	case SS_OPTION_NO_CONTEXT:
		options->no_context = true;
		break;
	case SS_OPTION_DNS_FAILURE_ONLY:
		options->dns_failure_only = true;
		break;
	case SS_OPTION_DNS_TIMEOUT:
		return parse_duration(row, value, &options->dns_timeout_ns, error);
	case SS_OPTION_DNS_NXDOMAIN:
		r = parse_choice(row, value, &index, error);
		options->nxdomain = (enum ss_nxdomain_mode)index;
		return r;
	case SS_OPTION_EXPLAIN_FILTER:
		options->explain_filter = true;
		break;
	case SS_OPTION_LIVE:
		options->live = true;
		break;
	case SS_OPTION_WAIT:
		options->wait = true;
		break;
	case SS_OPTION_QUIET:
		options->quiet = true;
		break;
	case SS_OPTION_VERBOSE:
		options->verbose = true;
		break;
	case SS_OPTION_HELP:
		options->help = true;
		break;
	case SS_OPTION_EXIT_WITH_PARENT:
		options->exit_with_parent = true;
		break;
	case SS_OPTION_DISCARD:
		options->discard = true;
		break;
	}
	return 0;
}

static const struct ss_option *find_row(int id, enum ss_command command)
{
	for (const struct ss_option *row = ss_option_table; row->name; row++)
		if (row->id == id && row->commands & command)
			return row;
	return NULL;
}

bool ss_options_name_pods(const struct ss_options *options)
{
	return options->pods->len || options->namespaces->len || options->selectors->len ||
	       options->workloads->len || options->containers->len || options->all_pods ||
	       (options->node && !options->interfaces->len);
}

bool ss_options_want_owners(const struct ss_options *options)
{
	return ss_options_name_pods(options) && !options->no_packets && !options->no_processes;
}

static int check_tls(const struct ss_options *options, struct ss_error *error)
{
	bool pods = ss_options_name_pods(options);

	if (options->no_packets && !options->ssl_plaintext)
		return ss_fail(error, -EINVAL,
			       "--no-packets leaves nothing to capture without --ssl-plaintext");
	if (options->no_packets && options->ssl_keylog)
		return ss_fail(error, -EINVAL,
			       "--ssl-keylog is for packets, which --no-packets leaves out: use "
			       "one of them");
	if ((options->ssl_keylog || options->ssl_plaintext) && !pods && !options->replay)
		return ss_fail(error, -EINVAL,
			       "TLS is read from the processes of pods: say which with --pod, "
			       "--namespace or --selector");
	return 0;
}

static int check_dns(const struct ss_options *options, struct ss_error *error)
{
	bool tuned = options->dns_timeout_ns != SS_DEFAULT_DNS_TIMEOUT_NS ||
		     options->nxdomain != SS_NXDOMAIN_SEARCH;

	if (tuned && !options->dns_failure_only)
		return ss_fail(error, -EINVAL,
			       "--dns-timeout and --dns-nxdomain go with --dns-failure-only");
	if (options->dns_failure_only && options->no_packets)
		return ss_fail(error, -EINVAL,
			       "--dns-failure-only is about packets, which --no-packets leaves "
			       "out: use one of them");
	return 0;
}

static int check(const struct ss_options *options, struct ss_error *error)
{
	bool rotates = options->ring_bytes || options->ring_ns;

	if (options->ring_files && !rotates)
		return ss_fail(error, -EINVAL,
			       "--ring-files needs --ring-size or --ring-time, which says when a "
			       "new file begins");
	if (rotates && (!options->output || strcmp(options->output, "-") == 0))
		return ss_fail(error, -EINVAL, "a ring of files needs --output FILE to name them");
	if (options->ring_bytes && options->ring_bytes < 4096)
		return ss_fail(error, -EINVAL, "--ring-size is at least 4096 bytes");
	if (options->replay && (ss_options_name_pods(options) || options->interfaces->len))
		return ss_fail(error, -EINVAL,
			       "--replay takes everything from the recording: leave "
			       "out --pod, --namespace and --interface");
	if (options->all_pods && options->pods->len)
		return ss_fail(error, -EINVAL, "--all-pods and --pod contradict: use one of them");
	if (options->no_kube && (options->kubeconfig || options->context))
		return ss_fail(error, -EINVAL,
			       "--no-kube leaves nothing for --kubeconfig and --context to do");
	if (options->replay && options->bpf_program)
		return ss_fail(error, -EINVAL,
			       "--bpf-program runs while capturing; a recording has what was "
			       "chosen");
	if (check_dns(options, error) < 0)
		return -EINVAL;
	return check_tls(options, error);
}

int ss_options_parse(struct ss_options *options, enum ss_command command, int argc, char **argv,
		     struct ss_error *error)
{
	g_autoptr(GArray) longs = g_array_new(TRUE, TRUE, sizeof(struct option));
	g_autoptr(GString) shorts = g_string_new(":");
	int c, r, index = 0;

	for (const struct ss_option *row = ss_option_table; row->name; row++) {
		struct option one = {row->name, row->argument ? required_argument : no_argument,
				     NULL, row->id};

		if (!(row->commands & command))
			continue;
		g_array_append_val(longs, one);
		if (row->id < 256) {
			g_string_append_c(shorts, (char)row->id);
			if (row->argument)
				g_string_append_c(shorts, ':');
		}
	}
	optind = 0; /* GNU: begin anew */
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts->str, (struct option *)(void *)longs->data,
				&index)) != -1) {
		if (c == '?' || c == ':') {
			const char *what = argv[optind - 1];
			const char letter[] = {'-', (char)optopt, '\0'};

			/* getopt stays where it is until the last letter of a word is read */
			if (optopt > ' ' && optopt < 127 && !g_str_has_prefix(what, "--"))
				what = letter;
			if (c == ':')
				return ss_fail(error, -EINVAL,
					       "option '%s' needs a value: see '" PROGRAM_NAME
					       " %s --help'",
					       what, argv[0]);
			return ss_fail(error, -EINVAL,
				       "unknown option '%s': see '" PROGRAM_NAME " %s --help'",
				       what, argv[0]);
		}
		r = apply(options, find_row(c, command), optarg, error);
		if (r < 0)
			return r;
	}
	for (int i = optind; i < argc; i++)
		g_ptr_array_add(options->arguments, g_strdup(argv[i]));
	return check(options, error);
}
