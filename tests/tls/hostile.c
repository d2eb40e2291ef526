/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program whose TLS functions are called with lengths and pointers that no library would pass,
 * and say they moved what they can't have; for test_probes.py. Last, an honest write: "the end".
 */
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define FUNCTION __attribute__((noinline, noclone, used))

/* Each returns what its caller wants: the last argument, behind those of the real one. */
FUNCTION int SSL_read(void *ssl, void *buffer, int length, int returned)
{
	__asm__ volatile("" : : "r"(ssl), "r"(buffer), "r"(length) : "memory");
	return returned;
}

FUNCTION int SSL_write(void *ssl, const void *buffer, int length, int returned)
{
	__asm__ volatile("" : : "r"(ssl), "r"(buffer), "r"(length) : "memory");
	return returned;
}

FUNCTION int SSL_read_ex(void *ssl, void *buffer, size_t length, size_t *count)
{
	__asm__ volatile("" : : "r"(ssl), "r"(buffer), "r"(length), "r"(count) : "memory");
	return 1;
}

FUNCTION int SSL_write_ex(void *ssl, const void *buffer, size_t length, size_t *count)
{
	__asm__ volatile("" : : "r"(ssl), "r"(buffer), "r"(length), "r"(count) : "memory");
	return 1;
}

FUNCTION int EVP_KDF_derive(void *context, void *key, size_t length, const void *params)
{
	__asm__ volatile("" : : "r"(context), "r"(key), "r"(length), "r"(params) : "memory");
	return 1;
}

/* struct OSSL_PARAM */
struct param {
	const char *key;
	unsigned type;
	const void *data;
	size_t size, return_size;
};

int main(void)
{
	static char honest[] = "the end";
	/* One page that can be read, and behind it, farther than anybody may look, none. */
	char *page = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *const pointers[] = {
		NULL, (char *)1,   (char *)UINTPTR_MAX, (char *)(UINTPTR_MAX << 47),
		page, page + 4090,
	};
	const int lengths[] = {INT_MIN, -1, 0, 1, 16384, 16385, INT_MAX};
	const size_t sizes[] = {0, 1, 16385, (size_t)INT_MAX + 1, SIZE_MAX / 2, SIZE_MAX};
	struct param endless[64];

	mprotect(page, 4096, PROT_READ | PROT_WRITE);
	for (unsigned p = 0; p < sizeof(pointers) / sizeof(*pointers); p++) {
		char *at = pointers[p];

		for (unsigned i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
			for (unsigned j = 0; j < sizeof(lengths) / sizeof(*lengths); j++) {
				SSL_read(at, at, lengths[i], lengths[j]);
				SSL_write(at, at, lengths[i], lengths[j]);
			}
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			size_t count = SIZE_MAX - i;

			SSL_read_ex(page, at, sizes[i], &count);
			SSL_write_ex(page, at, sizes[i], (size_t *)at);
			EVP_KDF_derive(page, at, sizes[i], at);
			for (unsigned k = 0; k < 64; k++)
				endless[k] = (struct param){k % 2 ? at : "key", k, at, sizes[i], 0};
			EVP_KDF_derive(page, page, sizes[i], endless);
		}
	}
	SSL_write(honest, honest, (int)strlen(honest), (int)strlen(honest));
	return 0;
}
