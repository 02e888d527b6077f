import Linux
import SansIO
import TLS
import Wire

// Streams of others: where they are taken, and how many.
extension Streams {
    /// Opens the listening sockets anew. What cannot be had is reported and tried again.
    func listen(at now: Instant) {
        stopListening()
        var refusal: (endpoint: Endpoint, error: SystemError)?
        for endpoint in settings.listening {
            do throws(SystemError) {
                try listen(on: endpoint)
            } catch {
                // A host without IPv6 has no such family; that is no reason to complain.
                if error.name != "EAFNOSUPPORT" { refusal = refusal ?? (endpoint, error) }
            }
        }
        if let refusal {
            stopListening()
            deadlines.set(now + patience.listening, for: .listening)
            mailbox.post(.notListening(refusal.endpoint, refusal.error))
        } else if let first = listeners.first {
            mailbox.post(.listening(port: first.listener.endpoint.port))
        }
    }

    private func listen(on endpoint: Endpoint) throws(SystemError) {
        let listener = try TCPListener(endpoint)
        let watch = try loop.watch(listener.descriptor, for: .readable) { [self] _ in
            assumeIsolated { $0.accept(from: listener) }
        }
        listeners.append((listener, watch))
    }

    func stopListening() {
        for entry in listeners { loop.cancel(entry.watch) }
        listeners = []
        deadlines.remove(.listening)
        deadlines.remove(.accepting)
    }

    private func accept(from listener: TCPListener) {
        let now = SystemClock.now
        defer { schedule() }
        for _ in 0..<Self.acceptBudget {
            do {
                guard let socket = try listener.accept() else { return }
                take(socket, at: now)
            } catch {
                // No descriptor is left: those that wait go on waiting.
                counters.add(.tooMany)
                pauseAccepting(at: now)
                return
            }
        }
    }

    private func take(_ socket: TCPSocket, at now: Instant) {
        let acceptedCount = streams.values.count { $0.stream.isAccepted }
        guard acceptedCount < settings.limit, strangers.admit(socket.remote.address, at: now) else {
            counters.add(.tooMany)
            return
        }
        let stream = Stream(
            id: nextStream(), accepted: socket, session: context.server(), counters: counters, workspace: workspace,
            at: now)
        serve(stream, for: patience.handshake, at: now)
    }

    private func pauseAccepting(at now: Instant) {
        // At worst the listener is asked again at once.
        for entry in listeners { try? loop.setInterest([], of: entry.watch) }
        deadlines.set(now + patience.accepting, for: .accepting)
    }

    func resumeAccepting() {
        for entry in listeners { try? loop.setInterest(.readable, of: entry.watch) }  // As above.
    }
}
