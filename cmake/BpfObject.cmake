# bpf_object(NAME CPU): bpf/NAME.bpf.c -> NAME.bpf.o -> NAME.skel.h, as the interface target bpf_NAME.
find_program(BPF_CLANG NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin /usr/lib/linux-tools REQUIRED)

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|amd64|AMD64")
	set(BPF_ARCH x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
	set(BPF_ARCH arm64)
else()
	message(FATAL_ERROR "no BPF target architecture for ${CMAKE_SYSTEM_PROCESSOR}: x86-64 and arm64 are supported")
endif()
# linux/types.h of the Debian multiarch layout is not on clang's BPF include path.
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-multiarch OUTPUT_VARIABLE BPF_MULTIARCH
	OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(BPF_INCLUDES -idirafter ${CMAKE_SYSROOT}/usr/include/${BPF_MULTIARCH})
if(CMAKE_SYSROOT)
	list(PREPEND BPF_INCLUDES --sysroot=${CMAKE_SYSROOT})
endif()

# CPU v2: no 32-bit registers. Spilled to the stack they take half a slot, and without CAP_PERFMON
# the verifier refuses that where a whole register was before; which spills there are is up to clang.
# CPU v3 (Linux 5.12) has them, and atomic operations that return the old value.
function(bpf_object name cpu)
	set(source ${PROJECT_SOURCE_DIR}/bpf/${name}.bpf.c)
	set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
	set(skeleton ${CMAKE_CURRENT_BINARY_DIR}/${name}.skel.h)
	add_custom_command(OUTPUT ${object}
		COMMAND ${BPF_CLANG} -target bpf -mcpu=${cpu} -O2 -g -Wall -Wextra -Werror
			-D__TARGET_ARCH_${BPF_ARCH} -I${PROJECT_SOURCE_DIR}
			${BPF_INCLUDES}
			-MD -MF ${object}.d -c ${source} -o ${object}
		DEPENDS ${source} DEPFILE ${object}.d COMMENT "BPF ${name}" VERBATIM)
	add_custom_command(OUTPUT ${skeleton}
		COMMAND ${BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}.tmp
		COMMAND ${CMAKE_COMMAND} -E rename ${skeleton}.tmp ${skeleton}
		DEPENDS ${object} COMMENT "skeleton ${name}")
	add_custom_target(bpf_${name}_skeleton DEPENDS ${skeleton})
	add_library(bpf_${name} INTERFACE)
	add_dependencies(bpf_${name} bpf_${name}_skeleton)
	target_include_directories(bpf_${name} SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
