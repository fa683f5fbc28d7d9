# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that a container has when nobody says anything: a list of what is allowed, at least as strict as Docker's.

The names are those of Docker's default (github.com/moby/profiles, June 2026) and no more; what is stricter is said beside it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EPERM, _ENOSYS = 1, 38

# Whatever its arguments. socket, socketcall, ioctl, clone and personality are below.
_ALLOWED = """
_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown chown32
clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit
exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2
fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat
fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait
futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid getegid32
geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid
getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt
gettid gettimeofday getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioprio_get
ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link
linkat listen listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise
map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap
mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
name_to_handle_at nanosleep newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc
pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease
process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink
readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat rename
renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area
set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid
setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid
setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4
sigprocmask sigreturn socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync
sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat
utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
"""
_OF_FAMILY = {
    "X86_64": "arch_prctl modify_ldt",
    "X86": "modify_ldt",
    "AARCH64": "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
    "ARM": "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
}
_OF_CAPABILITY = {
    "BPF": "bpf",
    "DAC_READ_SEARCH": "open_by_handle_at",
    "PERFMON": "perf_event_open",
    "SYSLOG": "syslog",
    "SYS_ADMIN": "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules"
    " lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname"
    " sethostname setns syslog umount umount2 unshare",
    "SYS_BOOT": "reboot",
    "SYS_CHROOT": "chroot",
    "SYS_MODULE": "delete_module finit_module init_module",
    "SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "SYS_PACCT": "acct",
    "SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "SYS_RAWIO": "ioperm iopl",
    "SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "SYS_TTY_CONFIG": "vhangup",
}
# include/uapi/linux/sched.h: every CLONE_NEW* that clone(2) takes, CLONE_NEWUSER among them.
_NAMESPACES = 0x7E020000
# include/uapi/asm-generic/ioctls.h
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
# include/uapi/linux/personality.h: PER_LINUX, PER_LINUX32, UNAME26, both, and the question for the present one.
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
# include/linux/socket.h: the families below AF_ALG (38), as masks and values. Above are AF_NFC, AF_VSOCK, which reaches the
# hypervisor, and those that few have met; of them only AF_XDP (44) may be had, by who may have raw sockets.
_FAMILIES = ((~0x1F, 0), (~0x03, 32), (~0x01, 36))
_AF_XDP = 44
# The kernel takes 32 bits of these arguments and the filter sees 64: what is compared is what the kernel looks at
# (CVE-2019-10063).
_LOW = 0xFFFFFFFF
# include/uapi/linux/net.h
_SYS_SOCKET = 1


def profile(held: tuple[str, ...], family: tuple[str, ...], *, unseen_sockets: bool = False) -> dict[str, Any]:
    """config.json's linux.seccomp for a container that may hold the capabilities `held`, on the architectures of `family`.

    With `unseen_sockets` 32-bit programs may make sockets by socketcall(2), of families that this can't see.
    x32 is left out: few kernels have it, and every call has one more number there.
    """
    allowed = _ALLOWED.split()
    more = {name for capability in held for name in _OF_CAPABILITY.get(capability, "").split()}
    more.update(_OF_FAMILY[family[0]].split())
    allowed += more.difference(allowed)
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": _EPERM,
        "architectures": [f"SCMP_ARCH_{kind}" for kind in family if kind != "X32"],
        "syscalls": [
            {"names": sorted(allowed), "action": "SCMP_ACT_ALLOW"},
            *_by_arguments(held, may_isolate="clone" in more, unseen_sockets=unseen_sockets),
        ],
    }


def _by_arguments(held: tuple[str, ...], *, may_isolate: bool, unseen_sockets: bool) -> list[dict[str, Any]]:
    families = [*_FAMILIES, *([(~0, _AF_XDP)] if "NET_RAW" in held else [])]
    rules = [_allow("socket", _masked(0, mask & _LOW, value)) for mask, value in families]
    rules += [_allow("personality", {"index": 0, "op": "SCMP_CMP_EQ", "value": value}) for value in _PERSONALITIES]
    if not unseen_sockets:
        # The family lies in memory, where no filter looks, and 64-bit programs can make this call as well.
        rules.append(_refuse("socketcall", _ENOSYS, {"index": 0, "op": "SCMP_CMP_EQ", "value": _SYS_SOCKET}))
    rules.append(_allow("socketcall"))
    # Into a terminal of somebody else's.
    rules += [_refuse("ioctl", _EPERM, _masked(1, _LOW, request)) for request in (_TIOCSTI, _TIOCLINUX)]
    rules.append(_allow("ioctl"))
    if not may_isolate:
        rules.append(_allow("clone", _masked(0, _NAMESPACES, 0)))
        # Its flags lie in memory, too. Every C library goes back to clone(2) then.
        rules.append(_refuse("clone3", _ENOSYS))
    return rules


def _masked(index: int, mask: int, value: int) -> dict[str, Any]:
    return {"index": index, "op": "SCMP_CMP_MASKED_EQ", "value": mask, "valueTwo": value}


def _allow(name: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"names": [name], "action": "SCMP_ACT_ALLOW", **({"args": list(arguments)} if arguments else {})}


def _refuse(name: str, number: int, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {**_allow(name, *arguments), "action": "SCMP_ACT_ERRNO", "errnoRet": number}
