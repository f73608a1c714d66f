/* SPDX-License-Identifier: BSD-2-Clause */
/* sites_main.c - the program of sites.c */
int sites(void);

int main(void)
{
	return sites();
}
