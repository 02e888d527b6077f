import CNGHTTP2

/// One gRPC connection without TLS as a value between byte streams: HTTP/2 with prior knowledge, each call one request message.
///
/// ```
///   socket ── receive ──▶ ┌────────────────┐ ── takeEvents ──▶ messages, ends of calls
///   socket ◀─ takeOutput ─└────────────────┘ ◀── call ───
/// ```
/// Source: gRPC over HTTP/2 (grpc/grpc, doc/PROTOCOL-HTTP2.md), RFC 9113. Messages are never compressed, as we do not offer it.
@safe final class GRPCConnection {
    enum Event: Equatable {
        case message(call: Int32, [UInt8])
        /// `status` is gRPC's, 0 for success; -1 where the other side gave none.
        case ended(call: Int32, status: Int, text: String)
    }

    private struct Call {
        var incoming: [UInt8] = []
        var outgoing: ArraySlice<UInt8>
        var status = -1
        var text = ""
    }

    /// Longest message; containerd sends none beyond 16 MiB.
    static let messageLimit = 16 << 20

    private var session: OpaquePointer?
    private var calls: [Int32: Call] = [:]
    private var events: [Event] = []
    private var failure: RuntimeFailure?

    init() {
        var callbacks: OpaquePointer?
        unsafe nghttp2_session_callbacks_new(&callbacks)
        unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, call, data, count, owner in
            unsafe GRPCConnection.owner(owner).received(UnsafeBufferPointer(start: data, count: count), on: call)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_header_callback(callbacks) {
            _, frame, name, nameCount, value, valueCount, _, owner in
            guard let frame = unsafe frame else { return 0 }
            let name = unsafe UnsafeBufferPointer(start: name, count: nameCount)
            let value = unsafe UnsafeBufferPointer(start: value, count: valueCount)
            unsafe GRPCConnection.owner(owner).header(
                String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self),
                on: frame.pointee.hd.stream_id)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, call, _, owner in
            unsafe GRPCConnection.owner(owner).closed(call)
            return 0
        }
        let owner = unsafe Unmanaged.passUnretained(self).toOpaque()
        let result = unsafe nghttp2_session_client_new(&session, callbacks, owner)
        unsafe nghttp2_session_callbacks_del(callbacks)
        precondition(result == 0, "nghttp2_session_client_new failed")
        unsafe nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil, 0)
    }

    deinit { unsafe nghttp2_session_del(session) }

    /// Begins a call; `namespace` is containerd's.
    func call(_ path: String, namespace: String?, _ message: [UInt8]) -> Int32 {
        var headers: [(String, String)] = [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "kubemesh"),
        ]
        if let namespace { headers.append(("containerd-namespace", namespace)) }
        let length = UInt32(message.count)
        let prefix = [0] + (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32($0))) }
        let number = submit(headers)
        guard number > 0 else { return -1 }
        calls[number] = Call(outgoing: (prefix + message)[...])
        return number
    }

    /// Takes what came from the socket.
    func receive(_ bytes: [UInt8]) throws(RuntimeFailure) {
        let taken = unsafe bytes.withUnsafeBufferPointer {
            unsafe nghttp2_session_mem_recv(session, $0.baseAddress, $0.count)
        }
        if let failure { throw failure }
        guard taken == bytes.count else { throw .malformed("this is not HTTP/2") }
    }

    /// What is to go to the socket.
    func takeOutput() -> [UInt8] {
        var output: [UInt8] = []
        while true {
            var block: UnsafePointer<UInt8>?
            let count = unsafe nghttp2_session_mem_send(session, &block)
            guard count > 0 else { return output }
            unsafe output += UnsafeBufferPointer(start: block, count: count)
        }
    }

    func takeEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    /// Whether the other side takes no more calls, or the protocol has ended.
    var isOver: Bool { unsafe nghttp2_session_want_read(session) == 0 && nghttp2_session_want_write(session) == 0 }

    private func submit(_ headers: [(String, String)]) -> Int32 {
        var text: [UInt8] = []
        for (name, value) in headers {
            text += name.utf8
            text += value.utf8
        }
        let session = unsafe session
        return unsafe text.withUnsafeMutableBufferPointer { text in
            var fields: [nghttp2_nv] = unsafe []
            guard var place = text.baseAddress else { return -1 }
            for (name, value) in headers {
                let (nameCount, valueCount) = (name.utf8.count, value.utf8.count)
                unsafe fields.append(
                    nghttp2_nv(
                        name: place, value: place + nameCount, namelen: nameCount, valuelen: valueCount, flags: 0))
                unsafe place += nameCount + valueCount
            }
            var body = unsafe nghttp2_data_provider()
            unsafe body.read_callback = { _, call, buffer, capacity, flags, _, owner in
                unsafe GRPCConnection.owner(owner).send(
                    to: UnsafeMutableBufferPointer(start: buffer, count: capacity), on: call, flags)
            }
            return unsafe nghttp2_submit_request(session, nil, fields, fields.count, &body, nil)
        }
    }

    @unsafe private static func owner(_ pointer: UnsafeMutableRawPointer?) -> GRPCConnection {
        guard let pointer = unsafe pointer else { preconditionFailure("a callback without its connection") }
        return unsafe Unmanaged<GRPCConnection>.fromOpaque(pointer).takeUnretainedValue()
    }

    // MARK: what the library calls

    @unsafe private func send(
        to buffer: UnsafeMutableBufferPointer<UInt8>, on call: Int32, _ flags: UnsafeMutablePointer<UInt32>?
    ) -> Int {
        let block = calls[call]?.outgoing.prefix(buffer.count) ?? []
        _ = unsafe buffer.update(from: block)
        calls[call]?.outgoing.removeFirst(block.count)
        if calls[call]?.outgoing.isEmpty ?? true { unsafe flags?.pointee |= UInt32(NGHTTP2_DATA_FLAG_EOF.rawValue) }
        return block.count
    }

    @unsafe private func received(_ block: UnsafeBufferPointer<UInt8>, on call: Int32) {
        guard var incoming = calls[call]?.incoming else { return }
        calls[call]?.incoming = []
        unsafe incoming += block
        while incoming.count >= 5 {
            let length = incoming[1..<5].reduce(0) { $0 << 8 | Int($1) }
            guard incoming[0] == 0, length <= Self.messageLimit else {
                failure = incoming[0] == 0 ? .tooLarge("a message") : .malformed("a message is compressed")
                return
            }
            guard incoming.count >= 5 + length else { break }
            events.append(.message(call: call, Array(incoming[5..<(5 + length)])))
            incoming.removeFirst(5 + length)
        }
        calls[call]?.incoming = incoming
    }

    private func header(_ name: String, _ value: String, on call: Int32) {
        switch name {
        case ":status" where value != "200": calls[call]?.text = "status \(value)"
        case "grpc-status": calls[call]?.status = Int(value) ?? -1
        case "grpc-message": calls[call]?.text = String(value.prefix(200))
        default: break
        }
    }

    private func closed(_ call: Int32) {
        guard let known = calls.removeValue(forKey: call) else { return }
        events.append(.ended(call: call, status: known.status, text: known.text))
    }
}
