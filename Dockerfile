# The image: the program, the libraries that it is linked to, and nothing else. No shell, no package manager, no root.
#
#   docker build -t tenantry .
#   docker build -t tenantry:backup --target backup .     also has pg_dump, for `tenantry backup` of PostgreSQL

FROM node:24-bookworm-slim AS console
WORKDIR /src
COPY admin-ui admin-ui
COPY tests/stories/snapshots tests/stories/snapshots
RUN npm --prefix admin-ui ci --no-audit --no-fund && npm --prefix admin-ui run build

FROM python:3.13-slim-bookworm AS guide
WORKDIR /src
COPY . .
RUN scripts/guide

FROM rust:1.95-bookworm AS program
WORKDIR /src
COPY . .
COPY --from=console /src/admin-ui/dist admin-ui/dist
COPY --from=guide /src/docs/dist docs/dist
RUN cargo build --profile dist --locked --bin tenantry && scripts/rootfs target/dist/tenantry /rootfs

FROM postgres:18-bookworm AS backup
COPY --from=program /rootfs/usr/bin/tenantry /usr/bin/tenantry
COPY --from=program /rootfs/usr/share/doc/tenantry /usr/share/doc/tenantry
USER 65532:65532
ENV TENANTRY_DATA_DIR=/tmp
ENTRYPOINT ["/usr/bin/tenantry"]
CMD ["backup"]

FROM scratch
LABEL org.opencontainers.image.title="Tenantry" \
      org.opencontainers.image.description="Accounts and identity for platforms whose partners run many tenants." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=program /rootfs /
USER 65532:65532
# Its settings listen everywhere; the environment says more, or a file in the place of this one.
ENV PATH=/usr/bin \
    TENANTRY_CONFIG=/etc/tenantry/tenantry.toml
EXPOSE 8080 9090
VOLUME /var/lib/tenantry
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/bin/tenantry", "ready"]
ENTRYPOINT ["/usr/bin/tenantry"]
CMD ["serve"]
