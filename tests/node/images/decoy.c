/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks like BoringSSL without symbols to who searches for labels of the key log and for the
 * function that is called with them; but what is called is something else.
 */
#include <stddef.h>
#include <unistd.h>

static const char *volatile file = "decoy/ssl/ssl_lib.cc";

__attribute__((noinline, noclone, aligned(16))) static void note(void *about, const char *label,
								 const void *bytes, size_t length)
{
	__asm__ volatile("" : : "r"(about), "r"(label), "r"(bytes), "r"(length) : "memory");
}

int main(void)
{
	for (;;) {
		note(NULL, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "", 1);
		note(NULL, "SERVER_HANDSHAKE_TRAFFIC_SECRET", "", 2);
		note(NULL, "CLIENT_TRAFFIC_SECRET_0", "", 3);
		note(NULL, "SERVER_TRAFFIC_SECRET_0", "", 4);
		note(NULL, file, "", 5);
		usleep(20000);
	}
}
