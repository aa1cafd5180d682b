/* Lets one system call of a process fail, or kills the process there, without a tracer that stops it at each call.
 *
 * A seccomp filter of the process sends it SIGSYS at the calls of one name, and at no others. The handler
 * counts them on the thread that armed it, as strace counts for "inject=NAME:when=N", and makes the call itself, or
 * not. Calls from inside of the C library (opendir, fopen) are met too, which interposed functions would miss.
 * Other threads and forked processes pass. For Linux on x86-64; elsewhere this does not compile, and strace is used.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if !defined(__linux__) || !defined(__x86_64__)
#error "Written for Linux on x86-64."
#endif

#define LONGEST 4096

/* What says which file a call means: a descriptor, a path, or a folder's descriptor and a path after it. */
enum target { DESCRIPTOR, PATH, AT_FOLDER };

struct call {
    const char *name;
    long number;
    enum target target;
    int argument;
};

static const struct call CALLS[] = {
    {"read", SYS_read, DESCRIPTOR, 0},
    {"pread64", SYS_pread64, DESCRIPTOR, 0},
    {"write", SYS_write, DESCRIPTOR, 0},
    {"pwrite64", SYS_pwrite64, DESCRIPTOR, 0},
    {"writev", SYS_writev, DESCRIPTOR, 0},
    {"pwritev", SYS_pwritev, DESCRIPTOR, 0},
    {"pwritev2", SYS_pwritev2, DESCRIPTOR, 0},
    {"sendfile", SYS_sendfile, DESCRIPTOR, 0},
    {"copy_file_range", SYS_copy_file_range, DESCRIPTOR, 0},
    {"ftruncate", SYS_ftruncate, DESCRIPTOR, 0},
    {"fallocate", SYS_fallocate, DESCRIPTOR, 0},
    {"fsync", SYS_fsync, DESCRIPTOR, 0},
    {"fdatasync", SYS_fdatasync, DESCRIPTOR, 0},
    {"sync_file_range", SYS_sync_file_range, DESCRIPTOR, 0},
    {"truncate", SYS_truncate, PATH, 0},
    {"open", SYS_open, PATH, 0},
    {"creat", SYS_creat, PATH, 0},
    {"openat", SYS_openat, AT_FOLDER, 0},
    {"rename", SYS_rename, PATH, 0},
    {"renameat", SYS_renameat, AT_FOLDER, 0},
    {"renameat2", SYS_renameat2, AT_FOLDER, 0},
    {"unlink", SYS_unlink, PATH, 0},
    {"unlinkat", SYS_unlinkat, AT_FOLDER, 0},
    {"rmdir", SYS_rmdir, PATH, 0},
    {"mkdir", SYS_mkdir, PATH, 0},
    {"mkdirat", SYS_mkdirat, AT_FOLDER, 0},
    {"link", SYS_link, PATH, 0},
    {"linkat", SYS_linkat, AT_FOLDER, 0},
    {"symlink", SYS_symlink, PATH, 1},
    {"symlinkat", SYS_symlinkat, AT_FOLDER, 1},
};

static const struct call *armed;
static long wanted, seen, thread;
static int failure;
static char report[LONGEST];

/* The filter lets calls pass that end at this label: those of the handler. */
extern const char inject_after_call[];
long inject_call(long number, const long *arguments);
__asm__(
    ".text\n.globl inject_call\n.hidden inject_call\n.globl inject_after_call\n.hidden inject_after_call\n"
    "inject_call:\n"
    "mov %rdi, %rax\nmov %rsi, %r11\n"
    "mov 0(%r11), %rdi\nmov 8(%r11), %rsi\nmov 16(%r11), %rdx\n"
    "mov 24(%r11), %r10\nmov 32(%r11), %r8\nmov 40(%r11), %r9\n"
    "syscall\n"
    "inject_after_call:\nret\n");

#define DO(number, ...) inject_call(number, (const long[6]){__VA_ARGS__})

static size_t append(char *text, size_t length, const char *more) {
    while (*more && length < LONGEST - 1) text[length++] = *more++;
    text[length] = 0;
    return length;
}

/* The path of an open file, or of the working folder. */
static size_t append_open(char *text, size_t length, int descriptor) {
    char link[64] = "/proc/self/cwd", digits[16];
    if (descriptor != AT_FDCWD) {
        int at = sizeof digits - 1;
        unsigned value = (unsigned)descriptor;
        digits[at] = 0;
        do digits[--at] = (char)('0' + value % 10); while (value /= 10);
        append(link, append(link, 0, "/proc/self/fd/"), digits + at);
    }
    long got = DO(SYS_readlink, (long)link, (long)(text + length), (long)(LONGEST - 1 - length));
    length += got > 0 ? (size_t)got : 0;
    text[length] = 0;
    return length;
}

/* Write which file the call meant, so that a run in which it never came is told from one in which it did. */
static void write_report(const long *arguments) {
    char text[LONGEST];
    size_t length = 0;
    long first = arguments[armed->argument];
    text[0] = 0;
    if (armed->target == DESCRIPTOR) {
        length = append_open(text, length, (int)first);
    } else {
        const char *path = (const char *)(armed->target == PATH ? first : arguments[armed->argument + 1]);
        if (*path != '/') {
            length = append_open(text, length, armed->target == PATH ? AT_FDCWD : (int)first);
            length = append(text, length, "/");
        }
        length = append(text, length, path);
    }
    long file = DO(SYS_openat, AT_FDCWD, (long)report, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    DO(SYS_write, file, (long)text, (long)length);
    DO(SYS_close, file);
}

static void handle(int signal_number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const long arguments[6] = {registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                               registers[REG_R10], registers[REG_R8],  registers[REG_R9]};
    (void)signal_number;
    if (DO(SYS_gettid) == thread && ++seen == wanted) {
        write_report(arguments);
        if (failure == 0) DO(SYS_kill, DO(SYS_getpid), SIGKILL);
        registers[REG_RAX] = -failure;
        return;
    }
    registers[REG_RAX] = inject_call(info->si_syscall, arguments);
}

/* From now on the `number`-th call of this name by this thread fails with the error `code`, or for 0 the process is
 * killed before it; then `where` holds the path of its file. Returns 0, or an error number. Once a process. */
int arm(const char *name, long number, int code, const char *where) {
    for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++)
        if (strcmp(CALLS[i].name, name) == 0) armed = &CALLS[i];
    if (armed == NULL || strlen(where) >= LONGEST) return EINVAL;
    wanted = number, seen = 0, failure = code, thread = DO(SYS_gettid);
    strcpy(report, where);
    /* No signal waits meanwhile: SIGALRM ends a story that hangs in a call of the handler's. */
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0) return errno;
    uint64_t own = (uint64_t)(uintptr_t)inject_after_call;
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)armed->number, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)own, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(own >> 32), 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : errno;
}
