# Debian machines for the package tests: an overlay of the base tree, booted by systemd-nspawn in a network namespace
# of ours. Sourced by the test scripts beside it; needs root.
#
#   machines_make ...                two machines, alpha and beta, joined by a wire, each with one container
#   on MACHINE COMMAND...            runs a command inside, in all its namespaces
#   on_uplink MACHINE COMMAND...     the same with this host's network: for apt, since the machines have no uplink
#   in_net NAMESPACE COMMAND...      runs a command of this host in a network namespace (alpha, alpha-c, beta, beta-c)
#
# alpha (198.18.0.1) ── wire ── beta (198.18.0.2); in each docker0 172.17.0.1/16 with a container at 172.17.0.2.

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
run=$(basename "$(mktemp -u kmXXXX)")
scratch=$(cd "$tests/../.." && pwd)/.build/debootstrap/$run
declare -A launcher init_pid

net() {
    echo "$run-$1"
}

in_net() {
    local namespace
    namespace=$(net "$1")
    shift
    nsenter --net="/run/netns/$namespace" "$@"
}

on() {
    local pid=${init_pid[$1]}
    shift
    nsenter -t "$pid" -a -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

on_uplink() {
    local pid=${init_pid[$1]}
    shift
    nsenter -t "$pid" -m -u -i -p -C -- \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

# Polls until a command succeeds; the limit is in tenths of a second.
eventually() {
    local tenths=$1
    shift
    until "$@" >/dev/null 2>&1; do
        ((tenths-- > 0)) || return 1
        sleep 0.1
    done
}

# Every hierarchy in which a launcher gets a cgroup of its own: hybrid and unified layouts both exist.
hierarchies() {
    local hierarchy
    for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
        if [[ -e $hierarchy/cgroup.procs ]]; then
            echo "$hierarchy"
        fi
    done
}

find_init() {
    local hierarchy
    for hierarchy in $(hierarchies); do
        read -r "init_pid[$1]" 2>/dev/null <"$hierarchy/$run-$1/payload/init.scope/cgroup.procs" && return 0
    done
    return 1
}

wire_up() {
    local machine address=$2
    machine=$(net "$1")
    ip netns add "$machine"
    ip netns add "$machine-c"
    ip -n "$machine" link set lo up
    ip -n "$machine-c" link set lo up
    ip -n "$machine" link add docker0 type bridge forward_delay 0
    ip -n "$machine" address add 172.17.0.1/16 dev docker0
    ip -n "$machine" link set docker0 up
    ip -n "$machine" link add veth0 type veth peer name eth0 netns "$machine-c"
    ip -n "$machine" link set veth0 master docker0 up
    ip -n "$machine-c" address add 172.17.0.2/16 dev eth0
    ip -n "$machine-c" link set eth0 up
    ip -n "$machine-c" route add default via 172.17.0.1
    if [[ $address == 198.18.0.1/24 ]]; then
        return
    fi
    ip -n "$(net alpha)" link add wire0 type veth peer name wire0 netns "$machine"
    ip -n "$(net alpha)" address add 198.18.0.1/24 dev wire0
    ip -n "$machine" address add "$address" dev wire0
    ip -n "$(net alpha)" link set wire0 up
    ip -n "$machine" link set wire0 up
}

boot() {
    local name=$1 base=$2 machine=$scratch/$1
    mkdir -p "$machine"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$machine/upper,workdir=$machine/work" "$machine/root"
    echo "$name" >"$machine/root/etc/hostname"
    # Without an identity systemd takes this for a first boot and asks questions.
    tr -d - </proc/sys/kernel/random/uuid >"$machine/root/etc/machine-id"
    (
        for hierarchy in $(hierarchies); do
            mkdir -p "$hierarchy/$run-$name"
            echo "$BASHPID" >"$hierarchy/$run-$name/cgroup.procs"
        done
        exec systemd-nspawn --quiet --directory="$machine/root" --boot --register=no --keep-unit --machine="$name" \
            --network-namespace-path="/run/netns/$(net "$name")" --capability=CAP_NET_ADMIN \
            --resolv-conf=off --console=pipe </dev/null >"$machine/console" 2>&1
    ) &
    launcher[$name]=$!
    if ! eventually 300 find_init "$name" || ! eventually 300 on "$name" systemctl is-system-running --wait; then
        on "$name" systemctl --failed >&2 || true
        cat "$machine/console" >&2
        echo "machine $name did not boot" >&2
        return 1
    fi
    # The device with the mode that udev gives it on a real machine; there is no udev in here.
    nsenter -t "${init_pid[$name]}" -m -p -- sh -c 'rm -f /dev/net/tun && mknod -m 666 /dev/net/tun c 10 200'
}

machines_make() {
    local base
    base=$("$tests/base-tree")
    mkdir -p "$scratch"
    trap machines_end EXIT
    wire_up alpha 198.18.0.1/24
    wire_up beta 198.18.0.2/24
    boot alpha "$base"
    boot beta "$base"
}

machines_end() {
    local name namespace hierarchy
    for name in "${!launcher[@]}"; do
        if [[ -n ${init_pid[$name]:-} ]]; then
            on "$name" systemctl poweroff 2>/dev/null || true
        fi
        if ! eventually 100 bash -c "! kill -0 ${launcher[$name]}"; then
            kill -KILL "${init_pid[$name]:-}" "${launcher[$name]}" 2>/dev/null || true
        fi
        wait "${launcher[$name]}" 2>/dev/null || true
        umount "$scratch/$name/root" || true
    done
    for namespace in alpha alpha-c beta beta-c; do
        ip netns delete "$(net "$namespace")" 2>/dev/null || true
    done
    for hierarchy in $(hierarchies); do
        find "$hierarchy" -depth -mindepth 1 -type d -path "$hierarchy/$run-*" -exec rmdir {} + 2>/dev/null || true
    done
    rm -rf --one-file-system "$scratch"
}
