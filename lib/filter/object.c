/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libbpf opens the object, makes its maps and relocates the function; our handler for its section
 * keeps the relocated instructions, which are spliced into the frame programs, and lets libbpf load
 * the function as a socket filter. That program is never attached: it is the kernel's proof that
 * the function reads the packet and nothing else, whatever helpers a kernel has for others.
 *
 * Surprising: libbpf's handlers are global and carry no object, hence the file-level pointer that
 * is set while a load runs. There are no threads. And an object that is open when somebody
 * registers another handler points to where the handlers were: it is opened anew for the load.
 */
#include "filter/object.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <glib.h>

#include "filter/filter.h"
#include "insn.h"
#include "verifier.h"

#define FILE_MAX (16 << 20) /* bytes */
#define LOG_SIZE (1 << 20)

struct ss_filter_object {
	char *path, *log;
	char *bytes; /* of the file */
	gsize length;
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_insn *insns; /* relocated */
	size_t count;
};

static struct ss_filter_object *loading;

static int keep_insns(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	(void)opts;
	(void)cookie;
	loading->count = bpf_program__insn_cnt(program);
	loading->insns =
		g_memdup2(bpf_program__insns(program), loading->count * sizeof(struct bpf_insn));
	return 0;
}

static int register_handler(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = keep_insns);
	static bool done;
	int r;

	if (done)
		return 0;
	r = libbpf_register_prog_handler(SS_FILTER_OBJECT_SECTION, BPF_PROG_TYPE_SOCKET_FILTER, 0,
					 &opts);
	done = r >= 0;
	return MIN(r, 0);
}

static int find_program(struct ss_filter_object *object, struct ss_error *error)
{
	struct bpf_program *program;
	const char *other = NULL;

	bpf_object__for_each_program(program, object->object)
	{
		const char *section = bpf_program__section_name(program);

		if (strcmp(section, SS_FILTER_OBJECT_SECTION) != 0) {
			other = section;
			continue;
		}
		if (object->program)
			return ss_fail(error, -EINVAL,
				       "'%s' has several functions in section '%s' (%s, %s): "
				       "leave one there, and make functions that it calls static "
				       "__always_inline",
				       object->path, SS_FILTER_OBJECT_SECTION,
				       bpf_program__name(object->program),
				       bpf_program__name(program));
		object->program = program;
	}
	if (object->program && !other)
		return 0;
	if (other)
		return ss_fail(error, -EINVAL,
			       "'%s' has a program in section '%s'; a capture filter is one "
			       "function in section '%s' (the macro STRATOSHARK_FILTER)",
			       object->path, other, SS_FILTER_OBJECT_SECTION);
	return ss_fail(error, -EINVAL,
		       "'%s' has no function in section '%s' (the macro STRATOSHARK_FILTER)",
		       object->path, SS_FILTER_OBJECT_SECTION);
}

static const struct btf_type *skip_names(const struct btf *btf, __u32 id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);

	while (type && (btf_is_mod(type) || btf_is_typedef(type)))
		type = btf__type_by_id(btf, type->type);
	return type;
}

static bool takes_skb(const struct btf *btf, const struct btf_type *prototype)
{
	const struct btf_type *type;

	if (btf_vlen(prototype) != 1)
		return false;
	type = skip_names(btf, btf_params(prototype)[0].type);
	if (!type || !btf_is_ptr(type))
		return false;
	type = skip_names(btf, type->type);
	return type && btf_is_struct(type) &&
	       g_strcmp0(btf__name_by_offset(btf, type->name_off), "__sk_buff") == 0;
}

/* The debug information says what the function takes and returns. */
static int check_prototype(const struct ss_filter_object *object, struct ss_error *error)
{
	const char *name = bpf_program__name(object->program);
	const struct btf *btf = bpf_object__btf(object->object);
	const struct btf_type *type;
	int id;

	if (!btf)
		return ss_fail(error, -EINVAL,
			       "'%s' does not say what its function takes and returns: compile it "
			       "with -g",
			       object->path);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_FUNC);
	type = id < 0 ? NULL : btf__type_by_id(btf, (__u32)id);
	type = type ? btf__type_by_id(btf, type->type) : NULL;
	if (!type || !btf_is_func_proto(type) || !takes_skb(btf, type))
		return ss_fail(error, -EINVAL,
			       "%s() of '%s' must take one argument, struct __sk_buff *", name,
			       object->path);
	type = skip_names(btf, type->type);
	if (!type || !btf_is_int(type) || type->size > sizeof(int))
		return ss_fail(error, -EINVAL,
			       "%s() of '%s' must return int: 0 leaves the frame out, anything "
			       "else keeps it",
			       name, object->path);
	return 0;
}

/* An error number of libbpf's own, or one of the kernel's. */
static int open_error(const char *path, int r, struct ss_error *error)
{
	if (r == -ENOENT || r == -EACCES || r == -EPERM || r == -EISDIR)
		return ss_fail(error, r, "cannot read '%s': %s", path, g_strerror(-r));
	return ss_fail(error, -EINVAL,
		       "'%s' is no BPF object file: compile it with clang -target bpf -O2 -g -c",
		       path);
}

static int read_file(struct ss_filter_object *object, struct ss_error *error)
{
	g_autoptr(GError) failure = NULL;
	struct stat status;

	if (stat(object->path, &status) < 0)
		return open_error(object->path, -errno, error);
	if (!S_ISREG(status.st_mode) || status.st_size > FILE_MAX)
		return open_error(object->path, -EINVAL, error);
	if (!g_file_get_contents(object->path, &object->bytes, &object->length, &failure))
		return ss_fail(error, -EACCES, "%s", failure->message);
	return 0;
}

static void close_object(struct ss_filter_object *object)
{
	g_clear_pointer(&object->object, bpf_object__close);
	object->program = NULL;
}

static int open_object(struct ss_filter_object *object, struct ss_error *error)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "ss_filter",
		    .kernel_log_buf = object->log, .kernel_log_size = LOG_SIZE);

	object->object = bpf_object__open_mem(object->bytes, object->length, &opts);
	if (!object->object && errno == ENOENT)
		return ss_fail(error, -EINVAL,
			       "'%s' uses something that it does not define, such as memcmp(), "
			       "which clang makes of some comparisons: define it in the file as "
			       "static __always_inline (--verbose says its name)",
			       object->path);
	if (!object->object)
		return open_error(object->path, -errno, error);
	return find_program(object, error);
}

int ss_filter_object_open(const char *path, struct ss_filter_object **ret_object,
			  struct ss_error *error)
{
	struct ss_filter_object *object;
	int r = register_handler();

	if (r < 0)
		return ss_fail(error, r, "libbpf takes no program of section '%s'",
			       SS_FILTER_OBJECT_SECTION);
	object = g_new0(struct ss_filter_object, 1);
	object->path = g_strdup(path);
	object->log = g_malloc0(LOG_SIZE);
	r = read_file(object, error);
	if (r == 0)
		r = open_object(object, error);
	if (r == 0)
		r = check_prototype(object, error);
	close_object(object);
	if (r < 0) {
		ss_filter_object_free(object);
		return r;
	}
	*ret_object = object;
	return 0;
}

void ss_filter_object_free(struct ss_filter_object *object)
{
	if (!object)
		return;
	close_object(object);
	g_free(object->bytes);
	g_free(object->insns);
	g_free(object->log);
	g_free(object->path);
	g_free(object);
}

/* Of those that a socket filter has, the ones that come back and change nothing of ours. */
static bool is_harmless(int32_t helper)
{
	switch (helper) {
	case BPF_FUNC_map_lookup_elem:
	case BPF_FUNC_map_update_elem:
	case BPF_FUNC_map_delete_elem:
	case BPF_FUNC_map_push_elem:
	case BPF_FUNC_map_pop_elem:
	case BPF_FUNC_map_peek_elem:
	case BPF_FUNC_ktime_get_ns:
	case BPF_FUNC_ktime_get_boot_ns:
	case BPF_FUNC_ktime_get_coarse_ns:
	case BPF_FUNC_jiffies64:
	case BPF_FUNC_get_prandom_u32:
	case BPF_FUNC_get_smp_processor_id:
	case BPF_FUNC_skb_load_bytes:
	case BPF_FUNC_skb_load_bytes_relative:
	case BPF_FUNC_get_socket_cookie:
	case BPF_FUNC_ringbuf_output:
	case BPF_FUNC_trace_printk:
		return true;
	default:
		return false;
	}
}

static const char *helper_name(int32_t helper)
{
#define NAME(name) [BPF_FUNC_##name] = "bpf_" #name
	static const char *const names[] = {__BPF_FUNC_MAPPER(NAME)};
#undef NAME
	bool known = helper >= 0 && (size_t)helper < G_N_ELEMENTS(names) && names[helper];

	return known ? names[helper] : "a helper that is not known here";
}

/* What would not fit into the frame programs, or lead out of them. */
static int check_insns(const struct ss_filter_object *object, struct ss_error *error)
{
	const char *name = bpf_program__name(object->program);

	if (object->count > SS_FILTER_BODY_MAX)
		return ss_fail(error, -E2BIG,
			       "%s() of '%s' has %zu instructions, at most %d are supported", name,
			       object->path, object->count, SS_FILTER_BODY_MAX);
	for (size_t i = 0; i < object->count; i++) {
		const struct bpf_insn *insn = &object->insns[i];
		bool call = insn->code == (BPF_JMP | BPF_CALL);
		bool wide = ss_insn_is_wide(insn);

		if (ss_insn_is_call(insn) || (wide && insn->src_reg == BPF_PSEUDO_FUNC))
			return ss_fail(error, -EINVAL,
				       "%s() of '%s' calls a function that is not inlined: make it "
				       "static __always_inline",
				       name, object->path);
		if (call && insn->src_reg)
			return ss_fail(error, -EINVAL,
				       "%s() of '%s' calls a kernel function (kfunc); a capture "
				       "filter has helpers only",
				       name, object->path);
		if (call && !is_harmless(insn->imm))
			return ss_fail(
				error, -EINVAL,
				"%s() of '%s' calls %s(), which a capture filter may not: it "
				"only looks at packets",
				name, object->path, helper_name(insn->imm));
		if (BPF_CLASS(insn->code) == BPF_LD && !wide)
			return ss_fail(
				error, -EINVAL,
				"%s() of '%s' uses load_byte() or the like, which cgroups do "
				"not have: use ss_ip_bytes() or bpf_skb_load_bytes()",
				name, object->path);
		i += wide;
	}
	return 0;
}

static int load_error(const struct ss_filter_object *object, int r, struct ss_error *error)
{
	g_autofree char *reason = ss_verifier_reason(object->log);

	ss_verifier_log(object->log);
	if (r == -EPERM)
		return ss_fail(
			error, r,
			"--bpf-program needs the capabilities cap_bpf and cap_net_admin; give "
			"them to the program once with: sudo setcap cap_bpf,cap_net_admin+ep "
			"\"$(command -v " PROGRAM_NAME ")\"");
	return ss_fail(error, -EINVAL,
		       "the kernel does not accept '%s' as a filter that only looks at packets: %s",
		       object->path, *reason ? reason : g_strerror(-r));
}

int ss_filter_object_load(struct ss_filter_object *object, struct ss_error *error)
{
	int checked, r = open_object(object, error);

	if (r < 0)
		return r;
	loading = object;
	r = bpf_object__load(object->object);
	loading = NULL;
	/* Our own sentence, where there is one, says more than the verifier. */
	checked = check_insns(object, error);
	if (checked < 0)
		return checked;
	return r < 0 ? load_error(object, r, error) : 0;
}

void ss_filter_object_body(const struct ss_filter_object *object, struct bpf_insn **ret_insns,
			   size_t *ret_count)
{
	*ret_insns = g_memdup2(object->insns, object->count * sizeof(struct bpf_insn));
	*ret_count = object->count;
}
