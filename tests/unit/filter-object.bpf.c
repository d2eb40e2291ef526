/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Filters as people may write them; compiled once for each macro. */
#include <stratoshark/filter.h>

#if defined(PORT) || defined(NO_DEBUG)
STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	struct ss_packet packet;

	return ss_packet_read(skb, &packet) && packet.destination_port == 53;
}

#elif defined(COUNTER) /* every second frame; a global variable and a map */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");
__u64 total;

STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&seen, &key);

	__sync_fetch_and_add(&total, 1);
	return count && !((*count)++ & 1);
}

#elif defined(RODATA)
const volatile __u16 port = 53;

STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	struct ss_packet packet;

	return ss_packet_read(skb, &packet) && packet.destination_port == port;
}

#elif defined(OTHER_SECTION)
SEC("tc")
int filter(struct __sk_buff *skb)
{
	return 1;
}

#elif defined(TWO)
STRATOSHARK_FILTER
int first(struct __sk_buff *skb)
{
	return 1;
}

STRATOSHARK_FILTER
int second(struct __sk_buff *skb)
{
	return 0;
}

#elif defined(NOTHING)
int nothing;

#elif defined(POINTER)
STRATOSHARK_FILTER
void *filter(struct __sk_buff *skb)
{
	return skb;
}

#elif defined(WIDE)
STRATOSHARK_FILTER
long filter(struct __sk_buff *skb)
{
	return 1l << 32;
}

#elif defined(NO_ARGUMENT)
STRATOSHARK_FILTER
int filter(void)
{
	return 1;
}

#elif defined(CALL)
static __noinline int helper(struct __sk_buff *skb)
{
	volatile int length = skb->len;

	return length > 100;
}

STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	return helper(skb);
}

#elif defined(TAIL_CALL)
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &programs, 0);
	return 1;
}

#elif defined(STORE) /* would change the packet */
STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	__u8 byte = 0;

	return bpf_skb_store_bytes(skb, 20, &byte, 1, 0) == 0;
}

#elif defined(LEGACY)
unsigned long long load_byte(void *skb, unsigned long long offset) asm("llvm.bpf.load.byte");

STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	return load_byte(skb, 14) == 0x45;
}

#elif defined(CALLBACK)
static long step(__u32 index, void *context)
{
	return 0;
}

STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	return bpf_loop(10, step, NULL, 0) > 0;
}

#elif defined(STACK)
STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	__u8 bytes[400];

	return !ss_ip_bytes(skb, 0, bytes, sizeof(bytes)) && bytes[399] == 1;
}

#elif defined(ENDLESS)
STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	volatile __u32 sum = 0;

	while (sum != 7)
		sum = sum + skb->len;
	return 1;
}

#elif defined(WRITES) /* a field that only other program types may write */
STRATOSHARK_FILTER
int filter(struct __sk_buff *skb)
{
	skb->mark = 1;
	return 1;
}
#endif

char LICENSE[] SEC("license") = "GPL";
