/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --extcap-dlts. The stream is pcapng and says itself what each of its interfaces carries; this
 * answer only fills the column of the interface list, so it needs no look-up.
 */
#include <stdio.h>
#include <stdlib.h>

#include "extcap.h"

int ss_answer_dlts(void)
{
	puts("dlt {number=1}{name=EN10MB}{display=Ethernet}");
	return EXIT_SUCCESS;
}
