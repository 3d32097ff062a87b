/* What iconv makes of valid and invalid EUC-KR: the lead byte c8 with the trail byte 41 is none (CVE-2025-26519). */
#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <string.h>

static void convert(const char *text)
{
	char input[16], output[16];
	strcpy(input, text);
	char *from = input, *to = output;
	size_t in = strlen(input), out = sizeof output;
	iconv_t converter = iconv_open("UTF-8", "EUC-KR");
	errno = 0;
	size_t result = iconv(converter, &from, &in, &to, &out);
	int error = errno;
	for (const char *byte = text; *byte; byte++) printf("%02x", (unsigned char)*byte);
	printf(": %s, %zu left, %zu made:", result == (size_t)-1 ? strerror(error) : "converted", in, sizeof output - out);
	for (char *byte = output; byte < to; byte++) printf(" %02x", (unsigned char)*byte);
	printf("\n");
	iconv_close(converter);
}

int main(void)
{
	convert("abc");
	convert("\xb0\xa1");
	convert("\xc8\xfe");
	convert("\xa0\x41");
	convert("\xc6\x52");
	convert("\xc6\x53");
	convert("\xc8\x41");
	convert("\xfe\x41");
	return 0;
}
