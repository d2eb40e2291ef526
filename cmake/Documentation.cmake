# ss_documentation(PROGRAM): the man page and the bash completion, which the program itself prints
# from its option table, and the texts beside them. A cross build needs CMAKE_CROSSCOMPILING_EMULATOR;
# without one it goes without the generated two.
function(ss_documentation program)
	set(man ${CMAKE_CURRENT_BINARY_DIR}/${PROGRAM_NAME}.1)
	set(completion ${CMAKE_CURRENT_BINARY_DIR}/${PROGRAM_NAME}.bash)
	if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
		message(STATUS "no emulator to run ${program}: without man page and completion")
	else()
		foreach(pair "man;${man}" "bash;${completion}")
			list(GET pair 0 kind)
			list(GET pair 1 file)
			add_custom_command(OUTPUT ${file}
				COMMAND ${program} generate ${kind} > ${file}.tmp
				COMMAND ${CMAKE_COMMAND} -E rename ${file}.tmp ${file}
				DEPENDS ${program} COMMENT "${kind} documentation" VERBATIM)
		endforeach()
		add_custom_target(documentation ALL DEPENDS ${man} ${completion})
		install(FILES ${man} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
		install(FILES ${completion} RENAME ${PROGRAM_NAME}
			DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
		find_program(GROFF groff)
		if(WITH_TESTS AND GROFF)
			# Silent if every request is known and every line fits.
			add_test(NAME documentation/man COMMAND ${GROFF} -man -Tutf8 -ww -z ${man})
			set_tests_properties(documentation/man PROPERTIES
				FAIL_REGULAR_EXPRESSION "warning|error")
		endif()
		find_program(BASH bash)
		if(WITH_TESTS AND BASH)
			add_test(NAME documentation/bash COMMAND ${BASH} -n ${completion})
		endif()
	endif()
	# README.md is what the Help button of Wireshark's interface dialog opens.
	install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
	install(FILES ${PROJECT_SOURCE_DIR}/format/events.md ${PROJECT_SOURCE_DIR}/format/metadata.md
		DESTINATION ${CMAKE_INSTALL_DOCDIR}/format OPTIONAL)
endfunction()
