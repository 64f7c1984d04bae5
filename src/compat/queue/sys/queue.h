/*
 * sys/queue.h - linked lists as macros, for systems without the header of that name (musl)
 *
 * Only what is used here, with the meanings of queue(3). LIST is a list that can be walked
 * forwards; TAILQ knows its last element too. An element is removed without a search.
 */
#ifndef KP_COMPAT_SYS_QUEUE_H
#define KP_COMPAT_SYS_QUEUE_H

/* first, or the next of the element before, points to an element; place is where from. */
#define LIST_HEAD(name, type)                                                            \
 struct name {                                                                           \
  struct type *first;                                                                    \
 }
#define LIST_ENTRY(type)                                                                 \
 struct {                                                                                \
  struct type *next;                                                                     \
  struct type **place;                                                                   \
 }
#define LIST_INIT(head)       ((head)->first = NULL)
#define LIST_FIRST(head)      ((head)->first)
#define LIST_NEXT(elm, field) ((elm)->field.next)
#define LIST_FOREACH(var, head, field)                                                   \
 for ((var) = LIST_FIRST(head); (var) != NULL; (var) = LIST_NEXT(var, field))
#define LIST_INSERT_HEAD(head, elm, field)                                               \
 do {                                                                                    \
  (elm)->field.next = (head)->first;                                                     \
  if ((head)->first != NULL)                                                             \
   (head)->first->field.place = &(elm)->field.next;                                      \
  (head)->first = (elm);                                                                 \
  (elm)->field.place = &(head)->first;                                                   \
 } while (0)
#define LIST_REMOVE(elm, field)                                                          \
 do {                                                                                    \
  if ((elm)->field.next != NULL)                                                         \
   (elm)->field.next->field.place = (elm)->field.place;                                  \
  *(elm)->field.place = (elm)->field.next;                                               \
 } while (0)

/* end is where the next element will be hung in. */
#define TAILQ_HEAD(name, type)                                                           \
 struct name {                                                                           \
  struct type *first;                                                                    \
  struct type **end;                                                                     \
 }
#define TAILQ_ENTRY(type) LIST_ENTRY(type)
#define TAILQ_INIT(head)                                                                 \
 do {                                                                                    \
  (head)->first = NULL;                                                                  \
  (head)->end = &(head)->first;                                                          \
 } while (0)
#define TAILQ_FIRST(head)      ((head)->first)
#define TAILQ_NEXT(elm, field) ((elm)->field.next)
#define TAILQ_EMPTY(head)      ((head)->first == NULL)
#define TAILQ_FOREACH(var, head, field)                                                  \
 for ((var) = TAILQ_FIRST(head); (var) != NULL; (var) = TAILQ_NEXT(var, field))
#define TAILQ_INSERT_TAIL(head, elm, field)                                              \
 do {                                                                                    \
  (elm)->field.next = NULL;                                                              \
  (elm)->field.place = (head)->end;                                                      \
  *(head)->end = (elm);                                                                  \
  (head)->end = &(elm)->field.next;                                                      \
 } while (0)
#define TAILQ_REMOVE(head, elm, field)                                                   \
 do {                                                                                    \
  if ((elm)->field.next != NULL)                                                         \
   (elm)->field.next->field.place = (elm)->field.place;                                  \
  else                                                                                   \
   (head)->end = (elm)->field.place;                                                     \
  *(elm)->field.place = (elm)->field.next;                                               \
 } while (0)

#endif
