# Turns packaging/config.yaml into the man page kubemesh-config(5), so that the two never differ.
# usage: awk -v date=YYYY-MM-DD -v version=V -f kubemesh-config.awk config.yaml
#
# The file's form: prose lines begin with "# ", a key that can be switched on is "#key: default", and the keys of a
# section stand indented below "section:". Prose ends at a blank line and explains the key that follows it.

BEGIN {
    print ".TH KUBEMESH\\-CONFIG 5 " date " \"KubeMesh " version "\" \"KubeMesh Manual\""
    print ".SH NAME\nkubemesh\\-config \\- configuration of the KubeMesh agent meshd"
    print ".SH SYNOPSIS\n.I /etc/kubemesh/config.yaml"
    print ".SH DESCRIPTION"
    print "The file is YAML; a missing or empty one means the defaults below. Unknown, repeated and ill\\-typed keys are"
    print "refused, all at once, with file, line, column and key, and the configuration in use stays. Anchors, aliases and"
    print "tags are not read."
    print ".PP"
    print ".B meshctl config check"
    print "tests a file,"
    print ".B meshctl reload"
    print "applies it without dropping flows."
    print ".SH KEYS"
    print "A dotted name such as"
    print ".B listen.port"
    print "is the key"
    print ".B port"
    print "in the section"
    print ".BR listen ."
}

# What roff would take for its own: backslashes anywhere, and a dot or quote that begins a line.
function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    if (text ~ /^[.']/) text = "\\&" text
    return text
}

/^$/ {
    prose = ""
}

/^[A-Za-z0-9]+:$/ {
    section = substr($0, 1, length($0) - 1)
}

/^ *# / {
    sub(/^ *# /, "")
    prose = prose (prose == "" ? "" : "\n") roff($0)
}

/^ *#[A-Za-z0-9]+:/ {
    name = $0
    sub(/^ *#/, "", name)
    value = name
    sub(/:.*/, "", name)
    sub(/^[^:]*: */, "", value)
    if ($0 ~ /^ /) name = section "." name
    print ".TP\n.B " roff(name)
    print prose
    if (value != "") print ".br\nDefault:\n.B " roff(value)
    prose = ""
}

END {
    print ".SH FILES"
    print ".TP\n.I /etc/kubemesh/config.yaml\nThe configuration."
    print ".TP\n.I /var/lib/kubemesh/\nKeys, certificates and known peers; mode 0700."
    print ".TP\n.I /run/kubemesh/meshd.sock\nThe control socket; mode 0660, group kubemesh."
    print ".SH SEE ALSO\n.BR meshctl (1),\n.BR meshd (8)"
}
