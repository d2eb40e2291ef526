/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS as its libraries see it, in processes of selected pods: secrets, plaintext, the sockets of
 * connections, and which processes begin and end. Reads only; never writes into a process. Every
 * program first asks whether the current task is in a selected pod.
 *
 * Needs CAP_BPF and CAP_PERFMON. User space loads only what it will attach.
 */
#include "bpf/tls_evp_kdf.h"
#include "bpf/tls_evp_pkey.h"
#include "bpf/tls_expand.h"
#include "bpf/tls_go.h"
#include "bpf/tls_memory_bio.h"
#include "bpf/tls_process.h"
#include "bpf/tls_secret.h"
#include "bpf/tls_socket.h"
#include "bpf/tls_ssl.h"

char LICENSE[] SEC("license") = "GPL";
