/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which process a socket belongs to: what bpf/owner.bpf.c keeps with every socket of a pod, for the
 * frame programs to write into option 2989, and what it tells user space of each process.
 */
#ifndef SS_FORMAT_OWNER_H
#define SS_FORMAT_OWNER_H

#include <linux/types.h>

/* As words of option 2989 (metadata.h), so that the frame programs copy and do not format. */
struct ss_owner {
	__u64 process;   /* value of SS_METADATA_PROCESS: pid, then start << 32 */
	__u64 container; /* the TLV SS_METADATA_CONTAINER; 0 (padding): not known */
	__u64 netns;     /* cookie of the socket's network namespace */
	__u64 waiters;   /* how often another process waited for datagrams than the owner */
};

/* A TCP connection, as who receives its frames sees it; addresses in memory order, IPv4 as mapped
 * ones. Of whole words: see bpf/frames.bpf.c. */
struct ss_flow {
	__u64 netns; /* as above */
	__u64 remote[2], local[2];
	__u64 ports; /* remote, local, both big-endian in memory, then zeros */
};

/* A process that owns a socket, told once. */
struct ss_owner_record {
	__u64 process;   /* as above; start 0: the kernel part may not know */
	__u64 cgroup_id; /* of its cgroup v2 */
	__u64 time_ns;   /* CLOCK_BOOTTIME: before the first frame that names it */
	char comm[16];   /* its name, NUL-padded; empty: the kernel part may not know */
};

/*
 * Where the frame programs find who holds a socket: offsets in bytes, from the kernel's BTF. They
 * have no CO-RE relocations, which the kernel's types would be searched for.
 */
struct ss_kernel_layout {
	__u32 sock_owned; /* sk_lock.owned in struct sock */
	__u32 task_tgid;  /* in struct task_struct: */
	__u32 task_leader;
	__u32 task_start; /* start_boottime */
	__u32 task_comm;
	__u32 task_cgroups;
	__u32 cgroups_default; /* dfl_cgrp in struct css_set */
	__u32 cgroup_node;     /* kn in struct cgroup */
	__u32 node_id;         /* id in struct kernfs_node */
	__u32 sock_socket;     /* sk_socket in struct sock */
	__u32 socket_file;     /* file in struct socket */
	__u32 task_files;      /* files in struct task_struct */
	__u32 files_table;     /* fdt in struct files_struct */
	__u32 table_files;     /* fd in struct fdtable, and: */
	__u32 table_size;      /* max_fds */
	__u32 sock_queue;      /* sk_wq in struct sock, which begins with its wait queue */
	__u32 queue_list;      /* head in struct wait_queue_head */
	__u32 wait_private;    /* in struct wait_queue_entry: */
	__u32 wait_entry;
	__u32 epoll_item; /* base in struct eppoll_entry, and: */
	__u32 epoll_wait;
	__u32 epoll_queue;   /* whead */
	__u32 item_epoll;    /* ep in struct epitem */
	__u32 epoll_waiting; /* wq.head in struct eventpoll */
	__u32 poll_wait;     /* wait in struct poll_table_entry, and: */
	__u32 poll_queue;    /* wait_address */
	__u32 polling_task;  /* in struct poll_wqueues */
	__u32 can_ask_pid;   /* programs may ask for the pid: Linux 6.10 */
	__u32 tells_reads;   /* has a tracepoint for what is read from sockets: Linux 6.3 */
};

/* What was told of a process, for filters in the kernel. */
struct ss_owner_told {
	__u64 state;   /* changes when it is to be told again */
	char comm[16]; /* as in the record */
};

#define SS_OWNER_CONTAINERS_MAX 8192  /* containers that the kernel part knows by cgroup */
#define SS_OWNER_PROCESSES_MAX  16384 /* processes told and not forgotten */
#define SS_OWNER_SEEDS_MAX      16384 /* sockets older than the capture */
#define SS_OWNER_RING_SIZE      (256u << 10)
#define SS_OWNER_GENERATIONS    1024  /* a power of two; several namespaces may share one */
#define SS_OWNER_CLOSED_MAX     16384 /* connections in time-wait whose process is known */

#endif
