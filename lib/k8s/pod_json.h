/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pod as the JSON object of format/pods.md. */
#ifndef SS_K8S_POD_JSON_H
#define SS_K8S_POD_JSON_H

#include <glib.h>

#include "k8s/pod.h"

/* Appends its members to an object that was begun with "{"; does not end it. */
void ss_pod_json(GString *json, const struct ss_pod *pod);

#endif
