/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of processes: what the kernel part tells of them, what frames name, what is described.
 * The kernel part is here: records that wait, and what it was told. */
#include "owners.h"

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "blocks.h"
#include "format/metadata.h"
#include "format/ring.h"
#include "k8s/process.h"
#include "output/block.h"
#include "source/owner.h"
#include "tests/offer.h"

#define UID             "0f3a1c52-7d0e-4b7e-9c1a-2f6b8e4d5a10"
#define CONTAINER       "abcdef0123450000000000000000000000000000000000000000000000000000"
#define OTHER_CONTAINER "fedcba0123450000000000000000000000000000000000000000000000000000"
#define NOW_NS          5000000000ull

/* The kernel part. */

struct ss_owner_source {
	ss_owner_process process;
	void *user_data;
	int fd;
	GArray *waiting;               /* struct ss_owner_record */
	uint64_t cgroup_id, container; /* told last, but for: */
	bool knows_other, attached;
};

static struct ss_owner_source *kernel;

int ss_owner_source_new(const struct ss_bpf_source *frames, ss_owner_process process,
			void *user_data, struct ss_owner_source **ret_source,
			struct ss_error *error)
{
	(void)frames;
	(void)error;
	kernel = g_new0(struct ss_owner_source, 1);
	kernel->process = process;
	kernel->user_data = user_data;
	kernel->fd = eventfd(0, EFD_CLOEXEC);
	kernel->waiting = g_array_new(FALSE, FALSE, sizeof(struct ss_owner_record));
	*ret_source = kernel;
	return 0;
}

void ss_owner_source_free(struct ss_owner_source *source)
{
	close(source->fd);
	g_array_unref(source->waiting);
	g_free(source);
}

int ss_owner_source_attach(struct ss_owner_source *source, const char *cgroup_path,
			   struct ss_error *error)
{
	(void)error;
	g_assert_true(g_str_has_suffix(cgroup_path, "/kubepods"));
	source->attached = true;
	return 0;
}

void ss_owner_source_set_container(struct ss_owner_source *source, uint64_t cgroup_id,
				   uint64_t container)
{
	if (GUINT64_FROM_LE(container) == ss_block_container_tlv(OTHER_CONTAINER)) {
		g_assert_false(source->attached);
		source->knows_other = true;
		return;
	}
	source->cgroup_id = cgroup_id;
	source->container = container;
}

int ss_owner_source_fd(const struct ss_owner_source *source)
{
	return source->fd;
}

void ss_owner_source_dispatch(struct ss_owner_source *source)
{
	for (guint i = 0; i < source->waiting->len; i++)
		source->process(&g_array_index(source->waiting, struct ss_owner_record, i),
				source->user_data);
	g_array_set_size(source->waiting, 0);
}

uint64_t ss_bpf_source_utc(const struct ss_bpf_source *source, uint64_t boot_ns)
{
	(void)source;
	return boot_ns;
}

uint64_t ss_bpf_source_barrier(struct ss_bpf_source *source)
{
	(void)source;
	return NOW_NS;
}

/* What is described. */

struct fixture {
	struct ss_loop *loop;
	struct ss_owners *owners;
	struct ss_pod *pod;
	char *root, *kubepods, *pods, *cgroup; /* the last: the container's */
	uint64_t cgroup_id, start;
	GString *events; /* "time:details\n" */
};

static void put_event(uint64_t time_ns, const struct ss_event *event, void *user_data)
{
	g_assert_cmpstr(event->event, ==, "process");
	g_assert_cmpstr(event->pod, ==, "api");
	g_string_append_printf(((struct fixture *)user_data)->events, "%llu:%s\n",
			       (unsigned long long)time_ns, event->details);
}

static void set_up(struct fixture *fixture, gconstpointer data)
{
	struct ss_process_stat me;
	struct stat status;

	(void)data;
	fixture->root = g_dir_make_tmp("owners-XXXXXX", NULL);
	fixture->kubepods = g_build_filename(fixture->root, "kubepods", NULL);
	fixture->pods = g_build_filename(fixture->kubepods, "pod" UID, NULL);
	fixture->cgroup = g_build_filename(fixture->pods, CONTAINER, NULL);
	g_assert_cmpint(g_mkdir_with_parents(fixture->cgroup, 0755), ==, 0);
	g_assert_cmpint(stat(fixture->cgroup, &status), ==, 0);
	fixture->cgroup_id = status.st_ino;
	g_assert_cmpint(ss_process_read_stat("/proc", getpid(), &me), ==, 0);
	fixture->start = (uint32_t)me.start;
	fixture->events = g_string_new(NULL);
	fixture->loop = ss_loop_new();
	g_assert_cmpint(ss_owners_new(&(struct ss_owners_context){.loop = fixture->loop,
								  .event = put_event,
								  .user_data = fixture},
				      &fixture->owners, NULL),
			==, 0);
	fixture->pod = ss_pod_new();
	fixture->pod->uid = g_strdup(UID);
	fixture->pod->namespace = g_strdup("production");
	fixture->pod->name = g_strdup("api");
	fixture->pod->cgroup_path = g_strdup(fixture->pods);
}

static void tear_down(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_owners_free(fixture->owners);
	ss_loop_free(fixture->loop);
	ss_pod_free(fixture->pod);
	g_rmdir(fixture->cgroup);
	g_rmdir(fixture->pods);
	g_rmdir(fixture->kubepods);
	g_rmdir(fixture->root);
	g_string_free(fixture->events, TRUE);
	g_free(fixture->root);
	g_free(fixture->kubepods);
	g_free(fixture->pods);
	g_free(fixture->cgroup);
}

/* This process: it lives. */
static uint64_t my_key(const struct fixture *fixture)
{
	return (uint64_t)getpid() | fixture->start << 32;
}

static void tell(struct fixture *fixture, uint64_t key, const char *comm)
{
	struct ss_owner_record record = {
		.process = key, .cgroup_id = fixture->cgroup_id, .time_ns = NOW_NS - 1};

	memcpy(record.comm, comm, MIN(strlen(comm), sizeof(record.comm)));
	g_array_append_val(kernel->waiting, record);
}

/* A frame of that process passes the stage. Returns the container that it names then; 0: none. */
static uint64_t pass(const struct ss_stage *stage, uint64_t key, uint64_t container,
		     uint64_t time_ns)
{
	const uint32_t size = 28 + 4 * SS_SLOT_OPTION_WORDS + 4 + 4;
	uint32_t words[SS_SLOT_OPTION_WORDS] = {
		[0] = 4u << 16 | SS_EPB_FLAGS,
		[2] = 28u << 16 | SS_OPT_CUSTOM_BIN,
		[3] = SS_METADATA_PEN,
		[SS_SLOT_PROCESS_WORD - 1] = SS_METADATA_MAGIC0 | SS_METADATA_MAGIC1 << 8 |
					     SS_METADATA_PROCESS << 16 | SS_PROCESS_SIZE << 24,
		[SS_SLOT_PROCESS_WORD] = (uint32_t)key,
		[SS_SLOT_PROCESS_WORD + 1] = (uint32_t)(key >> 32),
		[SS_SLOT_CONTAINER_WORD] = (uint32_t)container,
		[SS_SLOT_CONTAINER_WORD + 1] = (uint32_t)(container >> 32),
	};
	const uint32_t head[] = {SS_PCAPNG_EPB,     size, 0, (uint32_t)(time_ns >> 32),
				 (uint32_t)time_ns, 0,    0};
	g_autoptr(GByteArray) block = g_byte_array_new();

	for (size_t i = 0; i < G_N_ELEMENTS(head); i++)
		put_word(block, head[i]);
	for (size_t i = 0; i < SS_SLOT_OPTION_WORDS; i++)
		put_word(block, words[i]);
	put_word(block, SS_OPT_END);
	put_word(block, size);
	offer(stage, block->data, block->len, 0);
	return ss_block_container(block->data, block->len, &container) ? container : 0;
}

/* Frames of that process are about to be written. */
static void admit(struct fixture *fixture, uint64_t key, uint64_t time_ns)
{
	struct ss_stage stage = ss_owners_stage(fixture->owners);

	pass(&stage, key, 0, time_ns);
}

/* How often the text is in what was described since; forgets it. */
static unsigned described(struct fixture *fixture, const char *text)
{
	unsigned count = 0;

	for (const char *at = fixture->events->str; (at = strstr(at, text)); at++)
		count++;
	g_string_truncate(fixture->events, 0);
	return count;
}

static void test_before_its_first_frame(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *line =
		g_strdup_printf("%llu:\"pid\":%d,", (unsigned long long)NOW_NS, getpid());

	(void)data;
	ss_owners_pod(fixture->owners, SS_POD_ADDED, fixture->pod);
	tell(fixture, my_key(fixture), "worker");
	ss_owner_source_dispatch(kernel);
	g_assert_cmpstr(fixture->events->str, ==, ""); /* no frame names it */
	admit(fixture, my_key(fixture), NOW_NS);
	g_assert_true(g_str_has_prefix(fixture->events->str, line));
	g_assert_nonnull(strstr(fixture->events->str, "\"comm\":\"worker\""));
	g_assert_nonnull(strstr(fixture->events->str, "\"executable\":\"/"));
	g_assert_nonnull(strstr(fixture->events->str, "\"container_id\":\"" CONTAINER "\""));
	g_string_truncate(fixture->events, 0);
	admit(fixture, 1, NOW_NS);
	admit(fixture, my_key(fixture), NOW_NS);
	g_assert_cmpstr(fixture->events->str, ==, ""); /* once is enough */
}

static void test_when_its_record_comes_late(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_owners_pod(fixture->owners, SS_POD_ADDED, fixture->pod);
	admit(fixture, my_key(fixture), NOW_NS);
	g_assert_cmpstr(fixture->events->str, ==, "");
	tell(fixture, my_key(fixture), "worker");
	ss_owner_source_dispatch(kernel);
	g_assert_cmpuint(described(fixture, "\"comm\":\"worker\""), ==, 1);
}

static void test_another_program(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_owners_pod(fixture->owners, SS_POD_ADDED, fixture->pod);
	tell(fixture, my_key(fixture), "sh");
	admit(fixture, my_key(fixture), NOW_NS);
	g_assert_cmpuint(described(fixture, "\"comm\":\"sh\""), ==, 1);
	tell(fixture, my_key(fixture), "curl");
	tell(fixture, my_key(fixture), "curl");
	ss_owner_source_dispatch(kernel);
	g_assert_cmpuint(described(fixture, "\"comm\":\"curl\""), ==, 1);
}

/* Names of containers come later, from the log directories. */
static void test_the_container_is_named(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	ss_owners_pod(fixture->owners, SS_POD_ADDED, fixture->pod);
	g_assert_cmpuint(kernel->cgroup_id, ==, fixture->cgroup_id);
	g_assert_cmpuint(GUINT64_FROM_LE(kernel->container), ==, ss_block_container_tlv(CONTAINER));
	tell(fixture, my_key(fixture), "worker");
	admit(fixture, my_key(fixture), NOW_NS);
	g_assert_cmpuint(described(fixture, "\"container\":"), ==, 0);
	g_ptr_array_add(fixture->pod->containers, ss_container_new("web", CONTAINER));
	ss_owners_pod(fixture->owners, SS_POD_CHANGED, fixture->pod);
	g_assert_cmpuint(described(fixture, "\"container\":\"web\""), ==, 1);
}

/* Its socket is older than what the kernel part knew of its cgroup. */
static void test_the_container_of_a_frame(struct fixture *fixture, gconstpointer data)
{
	const uint64_t container = ss_block_container_tlv(CONTAINER),
		       other = container ^ 1ull << 63;
	struct ss_stage stage = ss_owners_container_stage(fixture->owners);

	(void)data;
	ss_owners_pod(fixture->owners, SS_POD_ADDED, fixture->pod);
	g_assert_cmpuint(pass(&stage, my_key(fixture), 0, NOW_NS), ==, 0);
	tell(fixture, my_key(fixture), "worker");
	g_assert_cmpuint(pass(&stage, my_key(fixture), 0, NOW_NS), ==, container);
	g_assert_cmpuint(pass(&stage, my_key(fixture), other, NOW_NS), ==, other);
	g_assert_cmpuint(pass(&stage, 0, 0, NOW_NS), ==, 0);
	g_assert_cmpstr(fixture->events->str, ==, ""); /* nothing is written yet */
}

/* One look for all pods, before any socket is named: also of those that are told later. */
static void test_containers_of_pods_to_come(struct fixture *fixture, gconstpointer data)
{
	g_autofree char *class = g_build_filename(fixture->kubepods, "burstable", NULL);
	g_autofree char *pod =
		g_build_filename(class, "pod1f3a1c52-7d0e-4b7e-9c1a-2f6b8e4d5a10", NULL);
	g_autofree char *cgroup = g_build_filename(pod, OTHER_CONTAINER, NULL);

	(void)data;
	g_assert_cmpint(g_mkdir_with_parents(cgroup, 0755), ==, 0);
	ss_owners_pod(fixture->owners, SS_POD_ADDED, fixture->pod);
	g_assert_true(kernel->knows_other);
	g_rmdir(cgroup);
	g_rmdir(pod);
	g_rmdir(class);
}

/* It ended before anybody looked: what the kernel part said is described. */
static void test_a_process_that_ended(struct fixture *fixture, gconstpointer data)
{
	const uint64_t key = (uint64_t)getpid() | (fixture->start + 1) << 32;

	(void)data;
	ss_owners_pod(fixture->owners, SS_POD_ADDED, fixture->pod);
	tell(fixture, key, "gone");
	admit(fixture, key, NOW_NS);
	g_assert_null(strstr(fixture->events->str, "executable"));
	g_assert_cmpuint(described(fixture, "\"comm\":\"gone\""), ==, 1);
}

static void test_not_of_a_captured_pod(struct fixture *fixture, gconstpointer data)
{
	(void)data;
	tell(fixture, my_key(fixture), "worker");
	admit(fixture, my_key(fixture), NOW_NS);
	ss_owners_pod(fixture->owners, SS_POD_ADDED, fixture->pod);
	g_string_truncate(fixture->events, 0);
	ss_owners_pod(fixture->owners, SS_POD_REMOVED, fixture->pod);
	ss_owners_repeat(fixture->owners, NOW_NS, put_event, fixture);
	g_assert_cmpstr(fixture->events->str, ==, "");
}

/* For another file: who lives, or had frames a moment ago. */
static void test_repeated(struct fixture *fixture, gconstpointer data)
{
	const uint64_t ended = (uint64_t)getpid() | (fixture->start + 1) << 32;

	(void)data;
	ss_owners_pod(fixture->owners, SS_POD_ADDED, fixture->pod);
	tell(fixture, my_key(fixture), "alive");
	tell(fixture, ended, "ended");
	tell(fixture, (uint64_t)getpid() | (fixture->start + 2) << 32, "silent");
	admit(fixture, my_key(fixture), NOW_NS);
	admit(fixture, ended, NOW_NS);
	g_string_truncate(fixture->events, 0);
	ss_owners_repeat(fixture->owners, NOW_NS + 1, put_event, fixture);
	g_assert_nonnull(strstr(fixture->events->str, "alive"));
	g_assert_nonnull(strstr(fixture->events->str, "ended"));
	g_assert_null(strstr(fixture->events->str, "silent"));
	g_string_truncate(fixture->events, 0);
	ss_owners_repeat(fixture->owners, NOW_NS + 20000000000ull, put_event, fixture);
	g_assert_nonnull(strstr(fixture->events->str, "alive"));
	g_assert_null(strstr(fixture->events->str, "ended"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define TEST(name, function)                                                                       \
	g_test_add("/owners/" name, struct fixture, NULL, set_up, function, tear_down)
	TEST("before-its-first-frame", test_before_its_first_frame);
	TEST("when-its-record-comes-late", test_when_its_record_comes_late);
	TEST("another-program", test_another_program);
	TEST("the-container-is-named", test_the_container_is_named);
	TEST("the-container-of-a-frame", test_the_container_of_a_frame);
	TEST("containers-of-pods-to-come", test_containers_of_pods_to_come);
	TEST("a-process-that-ended", test_a_process_that_ended);
	TEST("not-of-a-captured-pod", test_not_of_a_captured_pod);
	TEST("repeated", test_repeated);
	return g_test_run();
}
