/* PID 1 of the guest: mounts what the programs need, loads the modules of /modules in the order of their names, runs the
   program that the kernel's command line names after "--", and turns the machine off. */
#define _GNU_SOURCE
#include "guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} PROGRAMS[] = {{"lazyfree", lazyfree}, {"losers", losers}, {"reused", reused}};

static pid_t first;

_Noreturn void die(const char *what)
{
    fprintf(stdout, "failed: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    if (getpid() == first)
        reboot(RB_AUTOBOOT);
    _exit(1);
}

static void mounted(const char *type, const char *at)
{
    mkdir(at, 0755);
    if (mount(type, at, type, 0, NULL) && errno != EBUSY)
        die(at);
}

static void load_modules(void)
{
    struct dirent **found;
    int count = scandir("/modules", &found, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        char path[512];
        if (found[i]->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/modules/%s", found[i]->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
            die(path);
        close(fd);
    }
}

int main(int argc, char **argv)
{
    struct utsname kernel;

    first = getpid();
    mounted("proc", "/proc");
    mounted("sysfs", "/sys");
    mounted("devtmpfs", "/dev");
    mounted("cgroup2", "/cgroup");
    tell("/cgroup/cgroup.subtree_control", "+memory");
    load_modules();
    uname(&kernel);
    printf("kernel: %s\n", kernel.release);
    for (size_t i = 0; argc > 1 && i < sizeof PROGRAMS / sizeof *PROGRAMS; i++)
        if (strcmp(argv[1], PROGRAMS[i].name) == 0)
            printf("ended: %d\n", PROGRAMS[i].run(argc - 1, argv + 1));
    fflush(stdout);
    sync();
    reboot(RB_AUTOBOOT);
    return 1;
}
