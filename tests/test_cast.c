/*
 * test_cast.c - bursts to a room, against one plain text for each member
 *
 * Random messages to all members or all but one, and between them whatever can make a member
 * one that needs care: another framing, words of its own, its end, leaving, joining again, and
 * a message that passes a mark or a limit. A member hears what the model has written down, and
 * after each step its outbox is as long as the model says.
 */
#include "net_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/cast.h"

#define N          6
#define MARK       1000 /* half of soft_outbox */
#define MAX_OUTBOX 1500
#define MAX_TOTAL  6000

static const struct kp_framing framings[] = {
    {.kind = KP_FRAME_LINE},
    {.kind = KP_FRAME_CRLF},
    {.kind = KP_FRAME_DELIMITER, .delimiter_len = 1, .delimiter = ";"},
    {.kind = KP_FRAME_DELIMITER, .delimiter_len = 2, .delimiter = ";;"},
    {.kind = KP_FRAME_FIXED, .fixed_size = 7}, /* so long is no message */
};
static const char *const ends[] = {"\n", "\r\n", ";", ";;", NULL};
#define N_FRAMINGS (sizeof(ends) / sizeof(ends[0]))

struct member {
    struct kelpie_conn *conn;
    int peer;
    size_t framing;
    bool is_in, is_closed, is_finished, is_over;
    size_t queued;
    char text[16384]; /* what it is to hear */
    size_t len;
};

struct model {
    struct net_kit *kit;
    struct kelpie_room *room;
    struct member members[N];
    uint64_t random, skipped, sent;
};

static size_t
pick(struct model *m, size_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (size_t)(m->random >> 11) % below;
}

static void
open_model(struct model *m, struct net_kit *kit, uint64_t seed)
{
    *m = (struct model){.kit = kit, .random = seed * 0x9e3779b97f4a7c15};
    kit->net.counters = (struct kp_net_counters){0};
    assert_int_equal(kp_room_open(&kit->net, &m->room, "room", 4), 0);
    for (int i = 0; i < N; i++) {
        m->members[i].peer = nk_pair(kit, &m->members[i].conn);
        m->members[i].is_in = true;
        assert_int_equal(kp_room_join(m->room, m->members[i].conn), 1);
    }
}

static size_t
total(const struct model *m)
{
    size_t sum = 0;

    for (int i = 0; i < N; i++)
        sum += m->members[i].queued;
    return sum;
}

/* What the net does for room, before len more bytes are queued for a member: it writes. */
static void
make_room(struct model *m, struct member *member, size_t len)
{
    if (member->queued + len > MAX_OUTBOX)
        member->queued = 0;
    if (total(m) + len > MAX_TOTAL)
        for (int i = 0; i < N; i++)
            m->members[i].queued = 0;
}

/* Returns whether the member takes a message. */
static bool
expect(struct model *m, struct member *member, const char *message)
{
    const char *end = ends[member->framing];

    if (member->is_finished || end == NULL)
        return false;
    size_t len = strlen(message) + strlen(end);
    make_room(m, member, len);
    int n = snprintf(member->text + member->len, sizeof(member->text) - member->len,
                     "%s%s", message, end);
    assert_int_equal(n, len);
    member->len += len;
    member->queued += len;
    member->is_over |= member->queued > MARK;
    return true;
}

static struct iovec
make_message(struct model *m, char out[256])
{
    size_t len = pick(m, 20) == 0 ? 8 + pick(m, 240) : 8 + pick(m, 20);

    memset(out, 'a' + (int)pick(m, 26), len);
    out[len] = '\0';
    return (struct iovec){.iov_base = out, .iov_len = len};
}

static void
send_to_room(struct model *m)
{
    size_t except = pick(m, 3) == 0 ? pick(m, N) : N;
    char message[256];
    struct iovec part = make_message(m, message);
    int taken = 0;

    /* In the order of the room: limits depend on it. */
    for (size_t place = 0; place < m->room->count; place++) {
        struct kelpie_conn *conn = m->room->places[place].conn;
        for (size_t i = 0; i < N; i++) {
            struct member *member = &m->members[i];
            if (member->conn != conn || i == except || member->is_closed)
                continue;
            bool takes = expect(m, member, message);
            taken += takes;
            m->skipped += !takes;
        }
    }

    const struct kelpie_conn *not_to = except < N ? m->members[except].conn : NULL;
    assert_int_equal(kp_room_send(m->room, &part, 1, true, not_to), taken);
    m->sent += (uint64_t)taken;
}

static void
change(struct model *m, struct member *member)
{
    char message[256];

    switch (pick(m, 12)) {
    case 0:
        kp_conn_close(member->conn, "over");
        member->is_closed = true;
        break;
    case 1:
        kp_conn_finish(member->conn);
        member->is_finished = true;
        break;
    case 2:
    case 3:
        member->framing = pick(m, N_FRAMINGS);
        kp_conn_set_framing(member->conn, &framings[member->framing]);
        break;
    case 4:
    case 5:
    case 6:
        assert_int_equal(kp_room_leave(m->room, member->conn), member->is_in);
        member->is_in = false;
        break;
    case 7:
    case 8:
    case 9:
        assert_int_equal(kp_room_join(m->room, member->conn), !member->is_in);
        member->is_in = true;
        break;
    default:
        make_message(m, message);
        bool takes = expect(m, member, message);
        assert_int_equal(nk_send(member->conn, message) == 0, takes);
        m->sent += takes;
    }
}

static void
hear(struct model *m)
{
    nk_settle(m->kit);
    for (int i = 0; i < N; i++) {
        struct member *member = &m->members[i];
        assert_string_equal(nk_hear(m->kit, member->peer), member->text);
        member->text[member->len = 0] = '\0';
        member->queued = 0;
        member->is_over = false;
    }
}

static void
compare(const struct model *m)
{
    const struct kp_net *net = &m->kit->net;

    for (int i = 0; i < N; i++) {
        const struct member *member = &m->members[i];
        assert_int_equal(member->conn->outbox.len, member->queued);
        if (!member->is_closed && !member->is_finished)
            assert_int_equal(member->conn->over_mark, member->is_over);
    }
    assert_int_equal(net->outbox_total, total(m));
    assert_int_equal(net->counters.broadcast_skipped, m->skipped);
    assert_int_equal(net->counters.messages_out, m->sent);
}

static void
close_model(struct model *m)
{
    hear(m);
    compare(m);
    for (int i = 0; i < N; i++)
        close(m->members[i].peer);
    kp_room_unref(m->room);
    nk_settle(m->kit);
}

static void
given_bursts_when_members_change_between_messages_then_each_hears_what_it_should(
    void **state)
{
    struct net_kit *kit = *state;
    struct model *m = malloc(sizeof(*m));
    assert_non_null(m);
    kit->net.limits.soft_outbox = 2 * MARK;
    kit->net.limits.max_outbox = MAX_OUTBOX;
    kit->net.limits.max_outbox_total = MAX_TOTAL;

    for (uint64_t seed = 1; seed <= 300; seed++) {
        open_model(m, kit, seed);
        for (int i = 0; i < 150; i++) {
            struct member *member = &m->members[pick(m, N)];
            if (pick(m, 40) == 0)
                hear(m);
            else if (pick(m, 30) == 0 && !member->is_closed)
                change(m, member);
            else
                send_to_room(m);
            compare(m);
        }
        close_model(m);
    }
    free(m);
}

/* Its turn was over in the middle of the burst, and the socket did not take it. */
static void
given_a_member_that_is_not_to_be_written_when_the_burst_goes_on_then_it_is(void **state)
{
    struct net_kit *kit = *state;
    struct iovec part = {.iov_base = "word", .iov_len = 4};
    struct kelpie_room *room;
    struct kelpie_conn *conn;
    int peer = nk_pair(kit, &conn);
    assert_int_equal(kp_room_open(&kit->net, &room, "room", 4), 0);
    assert_int_equal(kp_room_join(room, conn), 1);
    assert_int_equal(kp_room_send(room, &part, 1, true, NULL), 1);
    kit->net.much = 1;
    fault_sys_fail(&kit->sys, FAULT_SEND, 1, EAGAIN);
    kp_conn_flush_much(conn);
    assert_false(kp_node_is_linked(&conn->dirty));

    assert_int_equal(kp_room_send(room, &part, 1, true, NULL), 1);

    assert_true(kp_node_is_linked(&conn->dirty));
    nk_settle(kit);
    assert_string_equal(nk_hear(kit, peer), "word\nword\n");
    close(peer);
    kp_room_unref(room);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, nk_setup, nk_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(
            given_bursts_when_members_change_between_messages_then_each_hears_what_it_should),
        TEST(given_a_member_that_is_not_to_be_written_when_the_burst_goes_on_then_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
