/*
 * test_list.c - the intrusive list
 */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N 5

struct item {
    int number;
    struct kp_node node;
};

struct fixture {
    struct kp_node head;
    struct item items[N];
};

static int
setup(void **state)
{
    static struct fixture f;

    kp_list_init(&f.head);
    for (int i = 0; i < N; i++) {
        f.items[i].number = i;
        kp_list_init(&f.items[i].node);
    }
    *state = &f;
    return 0;
}

/* The numbers in the list as one decimal number, also checked backwards. */
static int
contents(const struct kp_node *head)
{
    int forwards = 0, backwards = 0, scale = 1;

    kp_list_each(node, head)
        forwards = forwards * 10 + kp_container_of(node, struct item, node)->number;
    for (struct kp_node *node = head->prev; node != head; node = node->prev) {
        backwards += scale * kp_container_of(node, struct item, node)->number;
        scale *= 10;
    }
    assert_int_equal(forwards, backwards);
    return forwards;
}

static void
append(struct fixture *f, int first, int last)
{
    for (int i = first; i <= last; i++)
        kp_list_append(&f->head, &f->items[i].node);
}

static void
given_an_empty_list_when_asked_then_it_is_empty(void **state)
{
    struct fixture *f = *state;

    assert_true(kp_list_is_empty(&f->head));
    assert_false(kp_node_is_linked(&f->items[0].node));
    assert_null(kp_list_pop(&f->head));
}

static void
given_nodes_when_appended_then_they_are_in_order(void **state)
{
    struct fixture *f = *state;

    append(f, 1, 4);

    assert_int_equal(contents(&f->head), 1234);
    assert_true(kp_node_is_linked(&f->items[1].node));
    assert_false(kp_list_is_empty(&f->head));
}

static void
given_a_list_when_a_node_is_removed_twice_then_it_is_gone_and_harmless(void **state)
{
    struct fixture *f = *state;
    append(f, 1, 4);

    kp_list_remove(&f->items[2].node);
    kp_list_remove(&f->items[2].node);

    assert_int_equal(contents(&f->head), 134);
    assert_false(kp_node_is_linked(&f->items[2].node));
}

static void
given_a_list_when_popped_then_first_in_first_out(void **state)
{
    struct fixture *f = *state;
    append(f, 1, 3);

    for (int i = 1; i <= 3; i++)
        assert_ptr_equal(kp_list_pop(&f->head), &f->items[i].node);

    assert_null(kp_list_pop(&f->head));
    assert_false(kp_node_is_linked(&f->items[3].node));
}

static void
given_two_lists_when_spliced_then_one_has_all_and_the_other_none(void **state)
{
    struct fixture *f = *state;
    struct kp_node other;
    kp_list_init(&other);
    append(f, 1, 2);
    kp_list_append(&other, &f->items[3].node);
    kp_list_append(&other, &f->items[4].node);

    kp_list_splice(&f->head, &other);
    assert_int_equal(contents(&f->head), 1234);
    assert_true(kp_list_is_empty(&other));

    kp_list_splice(&f->head, &other);
    assert_int_equal(contents(&f->head), 1234);
    kp_list_splice(&other, &f->head);
    assert_int_equal(contents(&other), 1234);
    assert_true(kp_list_is_empty(&f->head));
}

static void
given_a_walk_when_each_node_removes_itself_then_all_are_visited(void **state)
{
    struct fixture *f = *state;
    int visited = 0;
    append(f, 0, N - 1);

    kp_list_each_safe(node, &f->head) {
        kp_list_remove(node);
        visited++;
    }

    assert_int_equal(visited, N);
    assert_true(kp_list_is_empty(&f->head));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(given_an_empty_list_when_asked_then_it_is_empty, setup),
        cmocka_unit_test_setup(given_nodes_when_appended_then_they_are_in_order, setup),
        cmocka_unit_test_setup(
            given_a_list_when_a_node_is_removed_twice_then_it_is_gone_and_harmless,
            setup),
        cmocka_unit_test_setup(given_a_list_when_popped_then_first_in_first_out, setup),
        cmocka_unit_test_setup(
            given_two_lists_when_spliced_then_one_has_all_and_the_other_none, setup),
        cmocka_unit_test_setup(
            given_a_walk_when_each_node_removes_itself_then_all_are_visited, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
