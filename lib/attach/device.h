/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network devices, as rtnetlink knows them. */
#ifndef SS_ATTACH_DEVICE_H
#define SS_ATTACH_DEVICE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

#include "error.h"

struct ss_device {
	int index;
	char name[IF_NAMESIZE];
	uint16_t type; /* ARPHRD_*, linux/if_arp.h */
	bool up;
	bool has_mac;
	uint8_t mac[6];
	int peer_index; /* IFLA_LINK: of a veth the peer's index, in the peer's namespace */
	int peer_netns; /* IFLA_LINK_NETNSID: id of the peer's namespace here, -1 if none */
};

/* Does a frame of this type of device begin with an Ethernet header? Loopback's does. */
bool ss_device_is_ethernet(const struct ss_device *device);

/* All devices of the current network namespace: a GArray of struct ss_device, index order. */
int ss_device_list(GArray **ret_devices, struct ss_error *error);

/*
 * The devices of this namespace whose other end is in the network namespace of pid: a pod's veths,
 * found without entering the pod (RTM_GETNSID, any user may ask). Empty if there are none.
 */
int ss_device_list_peers(pid_t pid, GArray **ret_devices, struct ss_error *error);

/* A netlink socket that becomes readable when a device of the current namespace comes, changes or
 * goes; drain it with ss_device_monitor_drain(). */
int ss_device_monitor_open(struct ss_error *error);
void ss_device_monitor_drain(int fd);

#endif
