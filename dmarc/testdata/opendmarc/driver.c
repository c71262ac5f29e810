/*
 * Asks libopendmarc what it makes of messages, for TestOpenDMARC. It reads lines
 * whose first letter tells what the words behind it are, separated by tabs:
 *
 *	Z name record         a TXT record; the DNS has no others
 *	R                     forget all records
 *	F domain              the From domain of the next message
 *	D domain outcome      a signature; the outcome is a number of dmarc.h
 *	S domain origin outcome    a result of SPF
 *	E                     print the policy to enforce, and the alignment of DKIM and SPF
 */
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <netinet/in.h>
#include <opendmarc/dmarc.h>

#define ZONE 64

static struct { char name[300], text[1024]; } zone[ZONE];
static int records;

/* The library calls this one in place of its own, which asks the DNS. */
char *dmarc_dns_get_record(char *domain, int *reply, char *buf, size_t len)
{
	for (int i = 0; i < records; i++) {
		if (strcasecmp(zone[i].name, domain) == 0) {
			*reply = NETDB_SUCCESS;
			snprintf(buf, len, "%s", zone[i].text);
			return buf;
		}
	}
	*reply = HOST_NOT_FOUND;
	return NULL;
}

static u_char *u(char *s) { return (u_char *)s; }

int main(int argc, char **argv)
{
	OPENDMARC_LIB_T lib;
	DMARC_POLICY_T *p = NULL;
	char line[2048], from[300] = "";

	memset(&lib, 0, sizeof lib);
	lib.tld_type = OPENDMARC_TLD_TYPE_MOZILLA;
	snprintf((char *)lib.tld_source_file, sizeof lib.tld_source_file, "%s", argc > 1 ? argv[1] : "");
	if (opendmarc_policy_library_init(&lib) != DMARC_PARSE_OKAY)
		return 1;
	while (fgets(line, sizeof line, stdin) != NULL) {
		char *w[4] = {NULL};
		int n = 0, dkim = 0, spf = 0, status, enforce;

		line[strcspn(line, "\n")] = 0;
		for (char *rest = line; n < 4 && rest != NULL; n++)
			w[n] = strsep(&rest, "\t");
		switch (line[0]) {
		case 'R':
			records = 0;
			break;
		case 'Z':
			if (records == ZONE)
				return 2;
			snprintf(zone[records].name, sizeof zone[records].name, "%s", w[1]);
			snprintf(zone[records++].text, sizeof zone[0].text, "%s", w[2]);
			break;
		case 'F':
			if (p != NULL)
				opendmarc_policy_connect_shutdown(p);
			p = opendmarc_policy_connect_init(u("192.0.2.1"), DMARC_POLICY_IP_TYPE_IPV4);
			snprintf(from, sizeof from, "%s", w[1]);
			if (p == NULL || opendmarc_policy_store_from_domain(p, u(from)) != DMARC_PARSE_OKAY)
				return 3;
			break;
		case 'D':
			opendmarc_policy_store_dkim(p, u(w[1]), u("s"), atoi(w[2]), u(""));
			break;
		case 'S':
			opendmarc_policy_store_spf(p, u(w[1]), atoi(w[3]), atoi(w[2]), u(""));
			break;
		case 'E':
			status = opendmarc_policy_query_dmarc(p, u(from));
			enforce = opendmarc_get_policy_to_enforce(p);
			opendmarc_policy_fetch_alignment(p, &dkim, &spf);
			printf("%d %d %d %d\n", status, enforce, dkim, spf);
			fflush(stdout);
			break;
		}
	}
	return 0;
}
