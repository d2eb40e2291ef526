/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into a program with OpenSSL 3 or GnuTLS by make.sh: writes every key derivation as one
 * line to the file that KDF_LOG names, with what probes on EVP_KDF_derive and nettle_hkdf_expand
 * would see:
 *     extract|expand|prf KEY SALT LABEL CONTEXT OUT      hexadecimal, "-" for nothing
 * "identity" is an expand whose KEY is only the beginning of nettle's state for it.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As openssl/core.h has it. */
struct parameter {
	const char *key;
	unsigned type;
	void *data;
	size_t size, returned;
};

struct value {
	const uint8_t *data;
	size_t length;
};

static struct value find(const struct parameter *parameters, const char *key)
{
	for (; parameters->key; parameters++) {
		if (strcmp(parameters->key, key) == 0)
			return (struct value){parameters->data, parameters->size};
	}
	return (struct value){NULL, 0};
}

static void put(FILE *log, struct value value)
{
	fputs(value.length ? " " : " -", log);
	for (size_t i = 0; i < value.length; i++)
		fprintf(log, "%02x", value.data[i]);
}

static void put_seeds(FILE *log, const struct parameter *parameters)
{
	fputs(" ", log);
	for (; parameters->key; parameters++) {
		const uint8_t *data = parameters->data;

		for (size_t i = 0; strcmp(parameters->key, "seed") == 0 && i < parameters->size;
		     i++)
			fprintf(log, "%02x", data[i]);
	}
}

static void write_line(const struct parameter *parameters, const uint8_t *out, size_t length)
{
	struct value mode = find(parameters, "mode"), secret = find(parameters, "secret");
	FILE *log = fopen(getenv("KDF_LOG"), "a");
	int number = 0;

	if (!log)
		return;
	if (secret.length) {
		fputs("prf", log);
		put(log, secret);
		fputs(" - -", log);
		put_seeds(log, parameters);
	} else {
		if (mode.length == sizeof(number))
			memcpy(&number, mode.data, sizeof(number));
		fputs(number == 1 ? "extract" : "expand", log);
		put(log, find(parameters, "key"));
		put(log, find(parameters, "salt"));
		put(log, find(parameters, "label"));
		put(log, find(parameters, "data"));
	}
	put(log, (struct value){out, length});
	fputs("\n", log);
	fclose(log);
}

int EVP_KDF_derive(void *context, unsigned char *key, size_t length, const void *parameters);

int EVP_KDF_derive(void *context, unsigned char *key, size_t length, const void *parameters)
{
	int (*derive)(void *context, unsigned char *key, size_t length, const void *parameters);
	int r;

	derive = dlsym(RTLD_NEXT, "EVP_KDF_derive");
	r = derive(context, key, length, parameters);
	if (r == 1 && getenv("KDF_LOG"))
		write_line(parameters, key, length);
	return r;
}

void nettle_hkdf_expand(void *mac, void *update, void *digest, size_t digest_size, size_t info_size,
			const uint8_t *info, size_t length, uint8_t *key);

/* info is an HkdfLabel: u16 length, u8 length, "tls13 " and the label, u8 length, context. */
void nettle_hkdf_expand(void *mac, void *update, void *digest, size_t digest_size, size_t info_size,
			const uint8_t *info, size_t length, uint8_t *key)
{
	void (*expand)(void *mac, void *update, void *digest, size_t digest_size, size_t info_size,
		       const uint8_t *info, size_t length, uint8_t *key);
	FILE *log = getenv("KDF_LOG") ? fopen(getenv("KDF_LOG"), "a") : NULL;

	expand = dlsym(RTLD_NEXT, "nettle_hkdf_expand");
	expand(mac, update, digest, digest_size, info_size, info, length, key);
	if (!log)
		return;
	if (info_size > 9 && info[2] > 6 && info_size >= 4u + info[2]) {
		fputs("identity", log);
		put(log, (struct value){mac, 32});
		fputs(" -", log);
		put(log, (struct value){info + 9, info[2] - 6u});
		put(log, (struct value){info + 4 + info[2], info_size - 4 - info[2]});
		put(log, (struct value){key, length});
		fputs("\n", log);
	}
	fclose(log);
}
