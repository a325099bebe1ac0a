# Build the binary first, at the root: cargo build --release -p squall-node
FROM debian:bookworm-slim

COPY target/release/squall-node /usr/local/bin/squall-node
# A volume that is mounted here for the first time takes over its owner.
RUN mkdir /var/lib/kvstore && chown nobody /var/lib/kvstore

USER nobody
VOLUME /var/lib/kvstore
EXPOSE 8081
CMD ["squall-node", "kvstore"]
