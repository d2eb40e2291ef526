# One interface target with the warnings and the hardening every C target of ours links.
option(WERROR "Treat warnings as errors (on in the dev preset and CI)" OFF)
option(SANITIZE "Build user space with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)

option(FUZZ "Build libFuzzer targets (clang)" OFF)

add_library(ss_flags INTERFACE)
target_compile_options(ss_flags INTERFACE
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wundef -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2
	-Wimplicit-fallthrough -Wconversion -Wsign-conversion -fno-common -fvisibility=hidden
	# clang looks into GLib's macros, and takes a long string in an array for a missing comma
	$<IF:$<C_COMPILER_ID:Clang>,-Wno-string-concatenation,-Wcast-qual>)
if(WERROR)
	target_compile_options(ss_flags INTERFACE -Werror)
endif()
if(SANITIZE)
	target_compile_options(ss_flags INTERFACE -fsanitize=address,undefined
		-fno-sanitize-recover=undefined -fno-omit-frame-pointer)
	target_link_options(ss_flags INTERFACE -fsanitize=address,undefined)
else()
	target_compile_options(ss_flags INTERFACE -fstack-protector-strong
		$<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
	target_link_options(ss_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(FUZZ)
	target_compile_options(ss_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
