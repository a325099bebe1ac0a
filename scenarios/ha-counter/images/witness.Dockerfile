# Build the binary first, at the root: cargo build --release -p squall-node
FROM debian:bookworm-slim

COPY target/release/squall-node /usr/local/bin/squall-node

USER nobody
EXPOSE 8090
CMD ["squall-node", "witness"]
