/*
 * fuzz_text.c - what operators write: addresses, framings, sizes, times, the command line
 *
 *     byte 0    what the rest is: an address, a framing, a value, a command line
 *     the rest  the text; the arguments of a command line end with a newline each
 *
 * What is accepted means one thing: written out and read again it is the same. What is not is
 * refused with a sentence, and changes nothing. Configuration files are not read here: what
 * they set goes through the same table as the command line.
 */
#include "daemon/apply.c"
#include "daemon/config.c"
#include "daemon/options.c"
#include "daemon/settings.c"
#include "daemon/values.c"
#include "input.h"
#include "net/address.h"
#include "net/framing.h"

#define LONGEST_INPUT 512
#define MAX_ARGS      32

static void
check_address(struct input *input)
{
    struct kp_address address, again;
    char why[256] = "", written[KP_ADDRESS_TEXT_SIZE], *text = take_text(input);

    memset(&address, 0xa5, sizeof(address));
    memcpy(&again, &address, sizeof(address));
    if (kp_address_parse(&address, text, why, sizeof(why)) < 0) {
        must(why[0] != '\0' && memcmp(&again, &address, sizeof(address)) == 0);
    } else if (address.inherited_fd < 0) {
        kp_address_format(written, &address.addr.any, address.len);
        must(kp_address_parse(&again, written, why, sizeof(why)) == 0);
        must(again.len == address.len && again.name[0] == '\0');
        must(memcmp(&again.addr, &address.addr, again.len) == 0);
    }
    free(text);
}

static void
check_framing(struct input *input)
{
    struct kp_framing framing, before;
    char *text = take_text(input);

    memset(&framing, 0xa5, sizeof(framing));
    memcpy(&before, &framing, sizeof(framing));
    if (kp_framing_parse(&framing, text) == 0)
        must(kp_framing_problem(&framing) == NULL &&
             kp_framing_equal(&framing, &framing));
    else
        must(memcmp(&before, &framing, sizeof(framing)) == 0);
    free(text);
}

static void
check_value(struct input *input)
{
    char *text = take_text(input), written[KD_VALUE_TEXT_SIZE];
    uint64_t value, again;

    if (kd_value_count(&value, text) == KD_VALUE_GOOD)
        must(strspn(text, "0123456789") == strlen(text));
    if (kd_value_size(&value, text) == KD_VALUE_GOOD) {
        kd_value_size_format(written, value);
        must(kd_value_size(&again, written) == KD_VALUE_GOOD && again == value);
    }
    if (kd_value_time(&value, text) == KD_VALUE_GOOD) {
        kd_value_time_format(written, value);
        must(kd_value_time(&again, written) == KD_VALUE_GOOD && again == value);
    }
    free(text);
}

/* Whether an argument could name a configuration file, whatever comes behind it. */
static bool
names_config(const char *arg)
{
    return arg[0] == '-' && strchr(arg, 'c') != NULL;
}

static void
check_options(struct input *input)
{
    char name[] = "kelpie", *argv[MAX_ARGS + 1] = {name};
    char *text = take_text(input);
    struct kd_options options;
    int argc = 1;

    for (char *at = text; *at != '\0' && argc < MAX_ARGS; at += strlen(at) + 1) {
        char *newline = strchr(at, '\n');
        if (newline == NULL)
            break;
        *newline = '\0';
        if (!names_config(at))
            argv[argc++] = at;
    }
    int rc = kd_options_parse(&options, argc, argv);
    must((rc == 0) == (options.why[0] == '\0'));
    must(rc == 0 || rc == EX_USAGE || rc == EX_CONFIG);
    must(rc != 0 || options.command != KD_RUN || options.listen.n > 0);
    kd_options_clear(&options);
    free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const checks[])(struct input * input) = {check_address, check_framing,
                                                           check_value, check_options};
    struct input input = {.data = data, .size = size};

    if (size > LONGEST_INPUT)
        return 0;
    checks[take_byte(&input) % 4](&input);
    return 0;
}
