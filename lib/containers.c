/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A frame names one container, that of its process. On loopback, where it is stored once, that is
 * the sender's; the receiver's is known from what it sends itself, before or, mostly, in the same
 * look at the ring. What is left open is kept.
 */
#include "containers.h"

#include <string.h>

#include "hash.h"
#include "output/blocks.h"
#include "transport.h"

#define ENDS       4096           /* a power of two */
#define END_AGE_NS 10000000000ull /* a port may be another's by then */

enum wanted { UNKNOWN, WANTED, UNWANTED };

/* An address on a pod's loopback. */
struct end {
	uint32_t owner; /* the pod */
	uint8_t protocol;
	uint8_t unused[3]; /* 0: compared as bytes */
	struct ss_endpoint endpoint;
};

struct known_end {
	struct end end;
	enum wanted wanted;
	uint64_t time_ns; /* of the frame that told */
};

struct container {
	char *uid; /* of its pod */
	bool wanted;
};

struct ss_containers {
	GPtrArray *names;
	void (*left_out)(uint32_t interface_id, void *user_data);
	void *user_data;
	GHashTable *known; /* &TLV → struct container * */
	GArray *loopbacks; /* places: frames there have an end in two containers */
	struct known_end ends[ENDS];
};

static void container_free(gpointer data)
{
	struct container *container = data;

	g_free(container->uid);
	g_free(container);
}

struct ss_containers *ss_containers_new(GPtrArray *names,
					void (*left_out)(uint32_t interface_id, void *user_data),
					void *user_data)
{
	struct ss_containers *containers = g_new0(struct ss_containers, 1);

	containers->names = names;
	containers->left_out = left_out;
	containers->user_data = user_data;
	containers->known =
		g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, container_free);
	containers->loopbacks = ss_places_new();
	return containers;
}

void ss_containers_free(struct ss_containers *containers)
{
	if (!containers)
		return;
	g_hash_table_unref(containers->known);
	g_array_unref(containers->loopbacks);
	g_free(containers);
}

static gboolean is_of_pod(gpointer key, gpointer value, gpointer uid)
{
	(void)key;
	return strcmp(((struct container *)value)->uid, uid) == 0;
}

void ss_containers_pod(struct ss_containers *containers, enum ss_pod_change change,
		       const struct ss_pod *pod)
{
	if (change == SS_POD_REMOVED) {
		g_hash_table_foreach_remove(containers->known, is_of_pod, pod->uid);
		return;
	}
	/* One that was restarted keeps its old id: frames of it may still come. */
	for (guint i = 0; i < pod->containers->len; i++) {
		const struct ss_container *one = pod->containers->pdata[i];
		uint64_t tlv = one->id ? ss_block_container_tlv(one->id) : 0;
		struct container *container;

		if (!tlv || !one->name)
			continue;
		container = g_new0(struct container, 1);
		container->uid = g_strdup(pod->uid);
		container->wanted = g_ptr_array_find_with_equal_func(containers->names, one->name,
								     g_str_equal, NULL);
		g_hash_table_replace(containers->known, g_memdup2(&tlv, sizeof(tlv)), container);
	}
}

static enum wanted of_process(const struct ss_containers *containers, const uint8_t *block,
			      size_t size)
{
	const struct container *container;
	uint64_t tlv;

	if (!ss_block_container(block, size, &tlv))
		return UNKNOWN;
	container = g_hash_table_lookup(containers->known, &tlv);
	if (!container)
		return UNKNOWN;
	return container->wanted ? WANTED : UNWANTED;
}

static struct known_end *place_of(struct ss_containers *containers, const struct end *end)
{
	return &containers->ends[ss_hash_words(end, sizeof(*end)) & (ENDS - 1)];
}

/* Both ends of a frame on loopback; false: it is elsewhere, or its ends can't be told. */
static bool read_ends(const struct ss_containers *containers, const uint8_t *block, size_t size,
		      struct end *ret_source, struct end *ret_destination)
{
	const struct ss_place *loopback =
		ss_places_get(containers->loopbacks, ss_block_word(block + 8));
	struct ss_transport transport;

	if (!loopback ||
	    !ss_transport_read(ss_cursor(block, size), loopback->link_type, &transport) ||
	    transport.is_error || transport.is_later)
		return false;
	*ret_source = (struct end){.owner = loopback->owner,
				   .protocol = transport.protocol,
				   .endpoint = transport.source};
	*ret_destination = *ret_source;
	ret_destination->endpoint = transport.destination;
	return true;
}

static void learn(struct ss_containers *containers, uint8_t *block, size_t size)
{
	enum wanted wanted = of_process(containers, block, size);
	struct end source, destination;

	if (wanted != UNKNOWN && read_ends(containers, block, size, &source, &destination))
		*place_of(containers, &source) =
			(struct known_end){source, wanted, ss_block_time(block, size)};
}

static enum wanted of_receiver(struct ss_containers *containers, const uint8_t *block, size_t size)
{
	struct end source, destination;
	const struct known_end *known;

	if (!ss_places_get(containers->loopbacks, ss_block_word(block + 8)))
		return UNWANTED;
	if (!read_ends(containers, block, size, &source, &destination))
		return UNKNOWN;
	known = place_of(containers, &destination);
	if (memcmp(&known->end, &destination, sizeof(destination)) != 0 ||
	    known->time_ns + END_AGE_NS < ss_block_time(block, size))
		return UNKNOWN;
	return known->wanted;
}

static void decide(struct ss_containers *containers, uint8_t *block, size_t size)
{
	if (of_process(containers, block, size) != UNWANTED ||
	    of_receiver(containers, block, size) != UNWANTED)
		return;
	containers->left_out(ss_block_word(block + 8), containers->user_data);
	ss_block_set_type(block, SS_BLOCK_LEFT_OUT);
}

static void look(void *blocks, size_t length, void *user_data)
{
	void (*const passes[])(struct ss_containers *, uint8_t *, size_t) = {learn, decide};

	for (size_t pass = 0; pass < G_N_ELEMENTS(passes); pass++) {
		for (struct ss_blocks walk = ss_blocks(blocks, length, 0); ss_blocks_next(&walk);) {
			uint8_t *block = (uint8_t *)blocks + walk.at;

			if (ss_block_type(block) != SS_BLOCK_LEFT_OUT)
				passes[pass](user_data, block, walk.size);
		}
	}
}

static void add_interface(const struct ss_place *place, void *user_data)
{
	struct ss_containers *containers = user_data;

	if (place->is_lo)
		ss_places_set(containers->loopbacks, place);
}

struct ss_stage ss_containers_stage(struct ss_containers *containers)
{
	return (struct ss_stage){
		.look = look,
		.interface = add_interface,
		.leaves_out = true,
		.user_data = containers,
	};
}
