# Debian's etcd, since this lab's own Docker needs no registry but Debian's. The manifests' commands are those
# of the official image.
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends etcd-server etcd-client \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /var/lib/etcd && chown nobody /var/lib/etcd

ENV ETCDCTL_API=3
USER nobody
VOLUME /var/lib/etcd
EXPOSE 2379 2380
CMD ["etcd"]
