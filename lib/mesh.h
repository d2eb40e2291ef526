/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Service meshes: a pod's connection to its sidecar, shown as the connection that was asked for.
 *
 * Where iptables REDIRECT leads a connection to a proxy in the pod (Istio, Linkerd, ambient), the
 * pod's lo carries its plaintext, but in two halves that no reader puts together: requests go to
 * 127.0.0.1:15001, replies come from the original destination. The halves are paired, and requests
 * get the original destination back, in place, before they are written. A request waits for the
 * first reply, which tells it: on lo microseconds, at most 50 ms.
 */
#ifndef SS_MESH_H
#define SS_MESH_H

#include <stdint.h>

#include "stage.h"

struct ss_mesh;

/* A frame of the interface is not written. */
typedef void (*ss_mesh_left_out)(uint32_t interface_id, void *user_data);

/* left_out: NULL: nothing is left out; else the encrypted twins of what lo shows in plaintext are
 * marked (SS_BLOCK_LEFT_OUT), from their TLS ClientHello on. */
struct ss_mesh *ss_mesh_new(ss_mesh_left_out left_out, void *user_data);
void ss_mesh_free(struct ss_mesh *mesh);

/* Frames of pods only. */
struct ss_stage ss_mesh_stage(struct ss_mesh *mesh);

#endif
