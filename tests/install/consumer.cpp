/*
 * consumer.cpp - a program of somebody else in C++, whose handlers are members of a class
 */
#include <kelpie.h>

#include <cstdio>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace
{

class Greeter
{
  public:
    Greeter()
    {
        kelpie_options options = KELPIE_OPTIONS_INIT;
        options.max_clients = 3;
        kelpie *made = nullptr;
        if (kelpie_new(&made, &options) < 0)
            return;
        server.reset(made);
        kelpie_handlers handlers = {};
        handlers.size = sizeof(handlers);
        handlers.on_connect = [](kelpie_conn *conn, void *self) {
            return static_cast<Greeter *>(self)->greet(conn);
        };
        kelpie_set_handlers(made, &handlers, this);
    }

    kelpie *get() const
    {
        return server.get();
    }

  private:
    int greet(kelpie_conn *conn)
    {
        return kelpie_conn_send(conn, greeting.data(), greeting.size());
    }

    struct Free {
        void operator()(kelpie *k) const
        {
            kelpie_free(k);
        }
    };
    std::string greeting = "hello";
    std::unique_ptr<kelpie, Free> server;
};

} // namespace

int
main()
{
    Greeter greeter;
    int ends[2];
    char heard[16];
    ssize_t n = -1;

    if (greeter.get() == nullptr || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0 ||
        kelpie_adopt(greeter.get(), ends[0], nullptr, nullptr) < 0)
        return 1;
    for (int i = 0; i < 10 && n < 6 && kelpie_step(greeter.get(), 0) >= 0; i++)
        n = recv(ends[1], heard, sizeof(heard), MSG_DONTWAIT);
    close(ends[1]);
    if (n != 6 || std::string(heard, 6) != "hello\n")
        return 1;
    std::printf("consumer: kelpie %s says hello\n", kelpie_version());
    return 0;
}
