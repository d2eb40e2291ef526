/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of ports.h. */
#include "tls/ports.h"

#include <glib.h>

/*
 * Where plaintext is better carried bare than in TLS, by its protocol. Of most of these ports
 * Wireshark's dissector takes no TLS, HTTP's among them; on the others a protocol begins without
 * TLS (STARTTLS). The common ones of all that Wireshark 4.0 knows, each tried.
 */
enum bare {
	NO_TLS = 1 << 0,
	BARE_OTHER = 1 << 1, /* neither HTTP/1 nor HTTP/2 */
	BARE_HTTP1 = 1 << 2,
	BARE_HTTP2 = 1 << 3, /* from its preface on */
	OWN = BARE_OTHER | NO_TLS,
	WEAK = OWN | BARE_HTTP1, /* a dissector that leaves HTTP/1 alone */
	WEB = WEAK | BARE_HTTP2,
};

static const struct {
	uint16_t port;
	uint8_t bare;
} bare_ports[] = {
	{80, WEB},          {1900, WEB},         {2710, WEB},       {2869, WEB},
	{3128, WEB},        {3132, WEB},         {5985, WEB},       {8080, WEB},
	{8088, WEB},        {11371, WEB},        {631, WEAK},       {1344, WEAK},
	{3002, WEAK},       {3003, WEAK},        {3006, WEAK},      {3386, WEAK},
	{3689, WEAK},       {4222, WEAK},        {4249, WEAK},      {4250, WEAK},
	{5000, WEAK},       {5094, WEAK},        {21, OWN},         {22, OWN},
	{23, OWN},          {25, OWN},           {53, OWN},         {79, OWN},
	{88, OWN},          {110, OWN},          {119, OWN},        {139, OWN},
	{179, OWN},         {389, OWN},          {445, OWN},        {514, OWN},
	{554, OWN},         {587, OWN},          {873, OWN},        {1080, OWN},
	{1194, OWN},        {1433, OWN},         {1723, OWN},       {1883, OWN},
	{1935, OWN},        {3268, OWN},         {3288, OWN},       {3306, OWN},
	{3478, OWN},        {4420, OWN},         {4712, OWN},       {4730, OWN},
	{4739, OWN},        {4840, OWN},         {5010, OWN},       {5060, OWN},
	{5222, OWN},        {5353, OWN},         {5432, OWN},       {5500, OWN},
	{5672, OWN},        {5683, OWN},         {5701, OWN},       {5900, OWN},
	{6000, OWN},        {6379, OWN},         {6667, OWN},       {7000, OWN},
	{7075, OWN},        {8009, OWN},         {8023, OWN},       {8085, OWN},
	{8554, OWN},        {9009, OWN},         {9092, OWN},       {9300, OWN},
	{9418, OWN},        {11211, OWN},        {19042, OWN},      {21064, OWN},
	{44321, OWN},       {44322, OWN},        {143, BARE_OTHER}, {4190, BARE_OTHER},
	{5269, BARE_OTHER}, {33060, BARE_OTHER},
};

/* Beside all below 1024. */
static const uint16_t server_ports[] = {
	1433, 2379, 2380, 3306,  3389,  4443,  5000,  5001,  5061,  5222,  5432,  5671,
	6379, 6443, 6514, 8000,  8080,  8081,  8443,  8883,  9000,  9090,  9092,  9093,
	9200, 9300, 9443, 10250, 11211, 15017, 26257, 27017, 33060, 50051, 50052, 61617,
};

/*
 * Of the ports that Linux gives to clients: those whose Wireshark dissector takes no TLS. It is
 * asked when there is none for the server's port. 40000 since Wireshark 4.4.
 */
static const uint16_t taken_client_ports[] = {34980, 40000, 44321, 44322,
					      44818, 48049, 48898, 57000};

bool ss_tls_ports_is_taken(uint16_t port)
{
	for (size_t i = 0; i < G_N_ELEMENTS(taken_client_ports); i++) {
		if (taken_client_ports[i] == port)
			return true;
	}
	return false;
}

static uint8_t bare_of(uint16_t port)
{
	for (size_t i = 0; i < G_N_ELEMENTS(bare_ports); i++) {
		if (bare_ports[i].port == port)
			return bare_ports[i].bare;
	}
	return 0;
}

bool ss_tls_ports_takes_no_tls(uint16_t port)
{
	return bare_of(port) & NO_TLS;
}

bool ss_tls_ports_is_bare(uint16_t port, enum ss_tls_protocol protocol, bool begins)
{
	static const uint8_t wanted[] = {
		[SS_TLS_PROTOCOL_UNKNOWN] = BARE_OTHER,
		[SS_TLS_PROTOCOL_HTTP1] = BARE_HTTP1,
		[SS_TLS_PROTOCOL_HTTP2] = BARE_HTTP2,
	};

	if (protocol == SS_TLS_PROTOCOL_HTTP2 && !begins)
		return false;
	return bare_of(port) & wanted[protocol];
}

bool ss_tls_ports_is_server(uint16_t port)
{
	if (port < 1024)
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(server_ports); i++) {
		if (server_ports[i] == port)
			return true;
	}
	return false;
}
