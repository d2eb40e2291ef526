/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loader of the frame ring's writers.
 *
 * libbpf opens the skeleton and relocates it; our program handler then keeps a copy of each
 * program ("recipe") and lets libbpf load a two-instruction dummy in its place. Real instances are
 * made from the recipe, one per slot: filter spliced in, addresses of its slot and of the ring
 * patched, loaded. That costs one verification each and neither ELF nor map work.
 *
 * Surprising: libbpf's handlers are global and carry no object, hence the file-level pointer that
 * is set while a load runs. There are no threads.
 */
#include "bpf.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <glib.h>

#include "format/owner.h" /* for the skeleton */
#include "format/pcapng.h"
#include "frames.skel.h"
#include "insn.h"
#include "log.h"
#include "privilege.h"
#include "source/kernel.h"
#include "source/libbpf.h"
#include "source/ring.h"
#include "verifier.h"

#define NSEC_PER_SEC 1000000000ll
/* A correction backwards by more than this is somebody setting the clock, not a small correction.
 */
#define CLOCK_STEP_NS (10 * 1000 * 1000ll)
/* Below is how exactly we measure. NTP slews both clocks alike. */
#define CLOCK_NOISE_NS (10 * 1000ll)
/* No program takes longer from reading the offset to its reservation, if that succeeds. */
#define CLOCK_CHANGE_NS (1000 * 1000ll)
/* Map values above this are refused by kernels that allocate them with kmalloc limits. */
#define RING_SIZE_OLD_KERNELS (2u << 20)
#define SLOTS_SIZE            (SS_SLOTS_MAX * sizeof(struct ss_slot)) /* pages of any size */

struct recipe {
	struct bpf_insn *insns;
	size_t count;
	struct bpf_func_info *func_info;
	uint32_t func_info_count;
	int btf_fd;
	enum bpf_prog_type type;
	enum bpf_attach_type attach_type;
	const char *name;
};

struct slot {
	enum ss_program program;
	int fd; /* -1: never loaded */
	bool used;
	struct ss_slot_counters base; /* counters when it was handed out */
};

struct ss_bpf_source {
	struct frames *skeleton;
	struct ss_bpf_source_options options;
	struct recipe recipes[12]; /* as recipe_kinds[] */
	struct slot slots[SS_SLOTS_MAX];
	uint32_t slot_count; /* ever used */
	GQueue free_slots;   /* GUINT_TO_POINTER(slot), oldest first */
	struct ss_slot_counters *per_cpu;
	int cpus;
	void *mapping;           /* of the ring */
	struct ss_slot *configs; /* of the slots: mapped */
	struct ss_ring ring;
	uint32_t ring_size;
	struct ring_buffer *doorbell;
	bool sees_holders; /* of sockets that were inherited or passed on */
	struct ss_kernel_layout layout;
};

static struct ss_bpf_source *loading;

static const struct {
	const char *section, *name;
	enum bpf_prog_type type;
	enum bpf_attach_type attach_type;
} recipe_kinds[] = {
	{"ss/tc", "ss_frame_tc", BPF_PROG_TYPE_SCHED_CLS, 0},
	{"ss/cgroup_egress", "ss_frame_out", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS},
	{"ss/cgroup_ingress", "ss_frame_in", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS},
	/* The same for filters that ask for owners. */
	{"ss/owner_tc", "ss_frame_tc", BPF_PROG_TYPE_SCHED_CLS, 0},
	{"ss/owner_egress", "ss_frame_out", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS},
	{"ss/owner_ingress", "ss_frame_in", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS},
	/* These two, and who holds a socket is seen. */
	{"ss/holder_tc", "ss_frame_tc", BPF_PROG_TYPE_SCHED_CLS, 0},
	{"ss/holder_egress", "ss_frame_out", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS},
	{"ss/holder_ingress", "ss_frame_in", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS},
	{"ss/holder_owner_tc", "ss_frame_tc", BPF_PROG_TYPE_SCHED_CLS, 0},
	{"ss/holder_owner_egress", "ss_frame_out", BPF_PROG_TYPE_CGROUP_SKB,
	 BPF_CGROUP_INET_EGRESS},
	{"ss/holder_owner_ingress", "ss_frame_in", BPF_PROG_TYPE_CGROUP_SKB,
	 BPF_CGROUP_INET_INGRESS},
};

/* The first of the three that are used. */
static size_t first_recipe(const struct ss_bpf_source *source)
{
	return (source->options.filter_owners ? 3u : 0) + (source->sees_holders ? 6u : 0);
}

static struct recipe *recipe_of(struct ss_bpf_source *source, enum ss_program program)
{
	struct recipe *recipes = &source->recipes[first_recipe(source)];

	switch (program) {
	case SS_PROGRAM_CGROUP_EGRESS:
		return &recipes[1];
	case SS_PROGRAM_CGROUP_INGRESS:
		return &recipes[2];
	default:
		return &recipes[0];
	}
}

/* libbpf is about to load a program: keep it, load a dummy. */
static int keep_recipe(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	struct bpf_insn dummy[] = {SS_ALUW_IMM(BPF_MOV, BPF_REG_0, 1), SS_EXIT()};
	struct recipe *recipe = &loading->recipes[cookie];

	if (opts->func_info_rec_size != sizeof(*recipe->func_info))
		return -EINVAL;
	recipe->count = bpf_program__insn_cnt(program);
	recipe->insns =
		g_memdup2(bpf_program__insns(program), recipe->count * sizeof(struct bpf_insn));
	recipe->func_info_count = opts->func_info_cnt;
	recipe->func_info =
		g_memdup2(opts->func_info, recipe->func_info_count * sizeof(*recipe->func_info));
	recipe->btf_fd = (int)opts->prog_btf_fd;
	recipe->type = recipe_kinds[cookie].type;
	recipe->attach_type = recipe_kinds[cookie].attach_type;
	recipe->name = recipe_kinds[cookie].name;
	opts->func_info_cnt = 0;
	opts->line_info_cnt = 0;
	return bpf_program__set_insns(program, dummy, G_N_ELEMENTS(dummy));
}

static int register_handlers(void)
{
	static bool done;

	for (size_t i = 0; !done && i < G_N_ELEMENTS(recipe_kinds); i++) {
		LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = (long)i,
			    .prog_prepare_load_fn = keep_recipe);
		int r = libbpf_register_prog_handler(recipe_kinds[i].section, recipe_kinds[i].type,
						     recipe_kinds[i].attach_type, &opts);

		if (r < 0)
			return r;
	}
	done = true;
	return 0;
}

/* As many for each CPU that has in-flight words of its own. */
static uint32_t recent_places(const struct frames *skeleton, const struct ss_bpf_source *source)
{
	return bpf_map__max_entries(skeleton->maps.recent) *
	       MIN((uint32_t)source->cpus, SS_RING_CPUS);
}

static int try_open(struct ss_bpf_source *source, uint32_t ring_size)
{
	struct frames *skeleton = frames__open();
	struct bpf_program *program;
	int r;

	if (!skeleton)
		return -errno;
	skeleton->rodata->ring_mask = ring_size - 1;
	skeleton->rodata->with_metadata = source->options.metadata;
	skeleton->rodata->with_owners = source->options.owners;
	skeleton->rodata->layout = source->layout;
	bpf_map__set_max_entries(skeleton->maps.recent,
				 source->sees_holders ? recent_places(skeleton, source) : 1);
	if (!source->options.owners) { /* unused, but allocated */
		bpf_map__set_max_entries(skeleton->maps.closed, 1);
		bpf_map__set_max_entries(skeleton->maps.containers, 1);
		bpf_map__set_max_entries(skeleton->maps.told, 1);
		bpf_map__set_max_entries(skeleton->maps.records, (uint32_t)getpagesize());
	}
	bpf_map__set_value_size(skeleton->maps.ring,
				SS_RING_DATA_OFFSET + ring_size + SS_RING_SPILL);
	bpf_map__set_max_entries(skeleton->maps.doorbell, (uint32_t)getpagesize());
	bpf_object__for_each_program(program, skeleton->obj)
	{
		const char *section = bpf_program__section_name(program);
		bool used = false;

		for (size_t i = 0; i < 3; i++)
			used |= !strcmp(section, recipe_kinds[first_recipe(source) + i].section);
		bpf_program__set_autoload(program, used);
	}
	loading = source;
	r = frames__load(skeleton);
	loading = NULL;
	if (r < 0) {
		frames__destroy(skeleton);
		return r;
	}
	source->skeleton = skeleton;
	source->ring_size = ring_size;
	return 0;
}

static int ignore_record(void *context, void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
	return 0;
}

static void *map_value(const struct bpf_map *map, size_t size)
{
	void *value = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	return value == MAP_FAILED ? NULL : value;
}

static int map_ring(struct ss_bpf_source *source, struct ss_error *error)
{
	struct frames *skeleton = source->skeleton;

	source->mapping = map_value(skeleton->maps.ring, ss_ring_mapping_size(source->ring_size));
	if (source->mapping)
		source->configs = map_value(skeleton->maps.slots, SLOTS_SIZE);
	if (!source->configs)
		return ss_fail(error, -errno, "cannot map the frame ring: %s", g_strerror(errno));
	ss_ring_init(&source->ring, source->mapping, source->ring_size, source->cpus);
	source->ring.consumer->snap_len = source->options.snap_len;
	ss_bpf_source_set_clock(source);
	source->doorbell =
		ring_buffer__new(bpf_map__fd(skeleton->maps.doorbell), ignore_record, NULL, NULL);
	if (!source->doorbell)
		return ss_fail(error, -errno, "cannot map the doorbell: %s", g_strerror(errno));
	return 0;
}

static int load_error(int r, struct ss_error *error)
{
	bool permitted = ss_privilege_has(CAP_SYS_ADMIN) ||
			 (ss_privilege_has(CAP_BPF) && ss_privilege_has(CAP_NET_ADMIN));

	if (r == -EPERM || (r == -EACCES && !permitted)) /* permitted: the verifier says no */
		return ss_fail(
			error, -EPERM,
			"capturing needs the capabilities cap_bpf and cap_net_admin; give them "
			"to the program once with: sudo setcap cap_bpf,cap_net_admin+ep "
			"\"$(command -v " PROGRAM_NAME ")\"");
	if (r == -ENOMEM || r == -E2BIG)
		return ss_fail(error, r,
			       "the kernel has no memory for the frame ring: choose a "
			       "smaller one with --buffer-size");
	return ss_fail(error, r,
		       "cannot load the capture programs into the kernel: %s "
		       "(needs Linux 5.15 or newer; details with --verbose)",
		       g_strerror(-r));
}

static int guest_error(const struct ss_bpf_source *source, const char *log, int r,
		       struct ss_error *error)
{
	g_autofree char *reason = ss_verifier_reason(log);

	return ss_fail(error, -EINVAL,
		       "the kernel does not accept '%s' as a part of the capture programs: %s",
		       source->options.guest, *reason ? reason : g_strerror(-r));
}

int ss_bpf_source_new(const struct ss_bpf_source_options *options,
		      struct ss_bpf_source **ret_source, struct ss_error *error)
{
	struct ss_bpf_source *source;
	uint32_t ring_size = SS_RING_SIZE_MIN;
	int r;

	ss_libbpf_init();
	r = register_handlers();
	if (r < 0)
		return load_error(r, error);
	source = g_new0(struct ss_bpf_source, 1);
	source->options = *options;
	source->options.snap_len = CLAMP(options->snap_len, SS_SNAPLEN_MIN, SS_SNAPLEN_MAX);
	source->cpus = libbpf_num_possible_cpus();
	source->per_cpu = g_new0(struct ss_slot_counters, (gsize)MAX(source->cpus, 1));
	g_queue_init(&source->free_slots);
	source->sees_holders = options->owners && ss_kernel_layout_read(&source->layout);
	while (ring_size < options->ring_size && ring_size < SS_RING_SIZE_MAX)
		ring_size *= 2;
	r = try_open(source, ring_size);
	if (r == -E2BIG && ring_size > RING_SIZE_OLD_KERNELS) {
		ring_size = RING_SIZE_OLD_KERNELS;
		ss_log(SS_LOG_NOTE, "this kernel limits the frame ring to %u MiB", ring_size >> 20);
		r = try_open(source, ring_size);
	}
	if (r < 0)
		r = load_error(r, error);
	else
		r = map_ring(source, error);
	if (r < 0) {
		ss_bpf_source_free(source);
		return r;
	}
	*ret_source = source;
	return 0;
}

void ss_bpf_source_free(struct ss_bpf_source *source)
{
	if (!source)
		return;
	for (uint32_t i = 0; i < source->slot_count; i++)
		close(source->slots[i].fd);
	g_queue_clear(&source->free_slots);
	ring_buffer__free(source->doorbell);
	if (source->mapping)
		munmap(source->mapping, ss_ring_mapping_size(source->ring_size));
	if (source->configs)
		munmap(source->configs, SLOTS_SIZE);
	for (size_t i = 0; i < G_N_ELEMENTS(source->recipes); i++) {
		g_free(source->recipes[i].insns);
		g_free(source->recipes[i].func_info);
	}
	frames__destroy(source->skeleton);
	g_free(source->per_cpu);
	g_free(source);
}

/* Loads of a map become loads of the address of its value at offset. */
static void load_address(struct bpf_insn *insns, size_t count, const struct bpf_map *map,
			 uint32_t offset)
{
	int fd = bpf_map__fd(map);

	for (size_t i = 0; i + 1 < count; i++) {
		if (!ss_insn_is_wide(&insns[i]))
			continue;
		if (insns[i].src_reg == BPF_PSEUDO_MAP_FD && insns[i].imm == fd) {
			insns[i].src_reg = BPF_PSEUDO_MAP_VALUE;
			insns[i + 1].imm = (int32_t)offset;
		}
		i++;
	}
}

/* Else it has become one function: its filter is gone, or is a part of it. */
static bool has_calls(const struct bpf_insn *insns, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ss_insn_is_call(&insns[i]))
			return true;
	return false;
}

/* Makes a program for the slot number. Returns its descriptor. Without error: does not say why. */
static int load_program(struct ss_bpf_source *source, enum ss_program program, uint32_t number,
			struct ss_error *error)
{
	struct recipe *recipe = recipe_of(source, program);
	g_autofree struct bpf_insn *insns = NULL;
	g_autofree char *log = NULL;
	uint32_t functions;
	struct bpf_insn *spliced = NULL;
	size_t count = recipe->count;
	int fd, r;

	if (source->options.splice) {
		r = source->options.splice(program, recipe->insns, recipe->count, &spliced, &count,
					   source->options.user_data, error);
		if (r < 0)
			return r;
	}
	if (!spliced)
		count = recipe->count;
	insns = g_memdup2(spliced ? spliced : recipe->insns, count * sizeof(*insns));
	g_free(spliced);
	load_address(insns, count, source->skeleton->maps.ring, 0);
	load_address(insns, count, source->skeleton->maps.users, 0);
	load_address(insns, count, source->skeleton->maps.slots,
		     number * (uint32_t)sizeof(struct ss_slot));
	functions = has_calls(insns, count) ? recipe->func_info_count : 1;

	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = recipe->attach_type,
		    .prog_btf_fd = (uint32_t)recipe->btf_fd, .func_info = recipe->func_info,
		    .func_info_cnt = functions, .func_info_rec_size = sizeof(*recipe->func_info));
	fd = bpf_prog_load(recipe->type, recipe->name, "GPL", insns, count, &opts);
	if (fd >= 0)
		return fd;
	r = -errno;
	if (!error)
		return r;
	log = g_malloc0(1 << 20);
	opts.log_buf = log;
	opts.log_size = 1 << 20;
	opts.log_level = 1;
	fd = bpf_prog_load(recipe->type, recipe->name, "GPL", insns, count, &opts);
	if (fd >= 0)
		return fd;
	ss_verifier_log(log);
	if (source->options.guest && r != -EPERM)
		return guest_error(source, log, r, error);
	if (r == -E2BIG)
		return ss_fail(error, r,
			       "the capture programs are too big for this kernel's verifier: "
			       "use a smaller filter");
	return load_error(r, error);
}

int ss_bpf_source_try(struct ss_bpf_source *source, enum ss_program program)
{
	int fd = load_program(source, program, 0, NULL);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static uint32_t find_free(struct ss_bpf_source *source, enum ss_program program)
{
	for (GList *link = source->free_slots.head; link; link = link->next) {
		uint32_t number = GPOINTER_TO_UINT(link->data);

		if (source->slots[number].program == program) {
			g_queue_delete_link(&source->free_slots, link);
			return number;
		}
	}
	return source->slot_count;
}

/* One more slot, with a program. */
static int load_slot(struct ss_bpf_source *source, enum ss_program program, struct ss_error *error)
{
	int fd = load_program(source, program, source->slot_count, error);

	if (fd < 0)
		return fd;
	source->slots[source->slot_count++] = (struct slot){.program = program, .fd = fd};
	return 0;
}

int ss_bpf_source_reserve(struct ss_bpf_source *source, enum ss_program program, unsigned count)
{
	int r;

	for (GList *link = source->free_slots.head; link; link = link->next)
		if (source->slots[GPOINTER_TO_UINT(link->data)].program == program && count)
			count--;
	if (!count || source->slot_count == SS_SLOTS_MAX)
		return 0;
	r = load_slot(source, program, NULL);
	if (r < 0)
		return r;
	g_queue_push_head(&source->free_slots, GUINT_TO_POINTER(source->slot_count - 1));
	return 1;
}

int ss_bpf_source_slot_new(struct ss_bpf_source *source, enum ss_program program,
			   const struct ss_slot *config, uint32_t *ret_slot, int *ret_program_fd,
			   struct ss_error *error)
{
	uint32_t number = find_free(source, program);
	struct slot *slot;
	int r;

	if (number == SS_SLOTS_MAX)
		return ss_fail(error, -EMFILE,
			       "more than %u attachment points at once: select "
			       "fewer pods",
			       SS_SLOTS_MAX);
	slot = &source->slots[number];
	if (number == source->slot_count) {
		r = load_slot(source, program, error);
		if (r < 0)
			return r;
	}
	source->configs[number].number = number;
	source->configs[number].dropped = 0;
	source->configs[number].netns = 0;
	ss_bpf_source_slot_update(source, number, config);
	slot->base = (struct ss_slot_counters){0};
	ss_bpf_source_counters(source, number, &slot->base);
	slot->used = true;
	*ret_slot = number;
	*ret_program_fd = slot->fd;
	return 0;
}

void ss_bpf_source_slot_update(struct ss_bpf_source *source, uint32_t number,
			       const struct ss_slot *config)
{
	struct ss_slot *slot = &source->configs[number];

	slot->interface_id = config->interface_id;
	slot->flags = config->flags;
	slot->cgroup_id = config->cgroup_id;
	slot->netns_id = config->netns_id;
	memcpy(slot->options, config->options, sizeof(slot->options));
}

void ss_bpf_source_slot_free(struct ss_bpf_source *source, uint32_t number)
{
	source->slots[number].used = false;
	g_queue_push_tail(&source->free_slots, GUINT_TO_POINTER(number));
}

int ss_bpf_source_slots_fd(const struct ss_bpf_source *source)
{
	return bpf_map__fd(source->skeleton->maps.slots);
}

int ss_bpf_source_told_fd(const struct ss_bpf_source *source)
{
	return bpf_map__fd(source->skeleton->maps.told);
}

void ss_bpf_source_counters(struct ss_bpf_source *source, uint32_t number,
			    struct ss_slot_counters *ret_counters)
{
	const struct ss_slot_counters *base = &source->slots[number].base;
	struct ss_slot_counters sum = {0};

	if (bpf_map_lookup_elem(bpf_map__fd(source->skeleton->maps.counters), &number,
				source->per_cpu) < 0)
		return;
	for (int cpu = 0; cpu < source->cpus; cpu++) {
		const struct ss_slot_counters *one = &source->per_cpu[cpu];

		sum.seen += one->seen;
		sum.accepted += one->accepted;
		sum.bytes += one->bytes;
		for (int cause = 0; cause < SS_DROP_CAUSES; cause++)
			sum.drops[cause] += one->drops[cause];
	}
	ret_counters->seen = sum.seen - base->seen;
	ret_counters->accepted = sum.accepted - base->accepted;
	ret_counters->bytes = sum.bytes - base->bytes;
	for (int cause = 0; cause < SS_DROP_CAUSES; cause++)
		ret_counters->drops[cause] = sum.drops[cause] - base->drops[cause];
}

int ss_bpf_source_fd(const struct ss_bpf_source *source)
{
	return ring_buffer__epoll_fd(source->doorbell);
}

void ss_bpf_source_acknowledge(struct ss_bpf_source *source)
{
	ring_buffer__consume(source->doorbell);
}

unsigned ss_bpf_source_peek(struct ss_bpf_source *source, struct iovec slices[2])
{
	return ss_ring_peek(&source->ring, slices);
}

void ss_bpf_source_consume(struct ss_bpf_source *source, size_t length)
{
	ss_ring_consume(&source->ring, length);
}

bool ss_bpf_source_arm(struct ss_bpf_source *source, uint64_t watermark)
{
	return ss_ring_arm(&source->ring, watermark);
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* Offset from CLOCK_BOOTTIME to UTC: the tightest of a few tries, in case we are interrupted. */
static int64_t utc_offset_ns(void)
{
	int64_t best = INT64_MAX, offset = 0;

	for (int i = 0; i < 5; i++) {
		int64_t before = clock_ns(CLOCK_BOOTTIME), utc = clock_ns(CLOCK_REALTIME);
		int64_t after = clock_ns(CLOCK_BOOTTIME);

		if (after - before < best) {
			best = after - before;
			offset = utc - (before + (after - before) / 2);
		}
	}
	return offset;
}

static void raise_floor(struct ss_ring_consumer *consumer, uint64_t floor_ns)
{
	__atomic_store_n(&consumer->floor_ns, MAX(floor_ns, consumer->floor_ns), __ATOMIC_SEQ_CST);
}

void ss_bpf_source_set_clock(struct ss_bpf_source *source)
{
	struct ss_ring_consumer *consumer = source->ring.consumer;
	int64_t offset = utc_offset_ns(), old = (int64_t)consumer->clock_ns;

	if (old && ABS(offset - old) < CLOCK_NOISE_NS)
		return;
	/* Set back: a file's time stays monotonic, so keep counting as before. */
	if (old && offset < old - CLOCK_STEP_NS)
		return;
	/* Stamps that were made with the old offset while it changed are still below the floor. */
	if (offset < old)
		raise_floor(consumer, (uint64_t)(clock_ns(CLOCK_BOOTTIME) + old + CLOCK_CHANGE_NS));
	__atomic_store_n(&consumer->clock_ns, (uint64_t)offset, __ATOMIC_SEQ_CST);
}

uint64_t ss_bpf_source_barrier(struct ss_bpf_source *source)
{
	struct ss_ring_consumer *consumer = source->ring.consumer;

	raise_floor(consumer, (uint64_t)clock_ns(CLOCK_BOOTTIME) + consumer->clock_ns);
	return consumer->floor_ns;
}

uint64_t ss_bpf_source_utc(const struct ss_bpf_source *source, uint64_t boot_ns)
{
	return boot_ns + __atomic_load_n(&source->ring.consumer->clock_ns, __ATOMIC_RELAXED);
}

struct ss_bpf_source_owner_maps ss_bpf_source_owner_maps(const struct ss_bpf_source *source)
{
	const struct frames *skeleton = source->skeleton;

	return (struct ss_bpf_source_owner_maps){
		.owners = bpf_map__fd(skeleton->maps.owners),
		.closed = bpf_map__fd(skeleton->maps.closed),
		.generations = bpf_map__fd(skeleton->maps.generations),
		.containers = bpf_map__fd(skeleton->maps.containers),
		.told = bpf_map__fd(skeleton->maps.told),
		.records = bpf_map__fd(skeleton->maps.records),
		.users = bpf_map__fd(skeleton->maps.users),
	};
}

bool ss_bpf_source_sees_senders(const struct ss_bpf_source *source)
{
	return source->sees_holders && !source->options.ethernet_only;
}

bool ss_bpf_source_tells_reads(const struct ss_bpf_source *source)
{
	return source->sees_holders && source->layout.tells_reads;
}

uint32_t ss_bpf_source_ring_size(const struct ss_bpf_source *source)
{
	return source->ring_size;
}
