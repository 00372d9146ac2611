# One image for every process; docker-compose.yml starts a container of it for each. It holds no tests and no compiler.

FROM python:3.12-slim AS build
ARG UV_VERSION=0.13.9
ARG SETUPTOOLS_VERSION=84.2.1
ENV UV_NO_CACHE=1 UV_LINK_MODE=copy
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==${UV_VERSION}
WORKDIR /app
RUN python -m venv --without-pip .venv
COPY requirements.lock ./
RUN /opt/uv/bin/uv pip sync --python .venv/bin/python --require-hashes --compile-bytecode requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY actions actions
COPY agents agents
COPY bot bot
COPY config config
# The code never changes inside an image, so its bytecode need not be compared with it.
RUN echo "setuptools==${SETUPTOOLS_VERSION}" >/tmp/build-constraints.txt \
 && /opt/uv/bin/uv pip install --python .venv/bin/python --no-deps --build-constraints /tmp/build-constraints.txt --editable . \
 && .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash actions agents bot

FROM python:3.12-slim
RUN useradd --no-log-init --uid 10001 --user-group --no-create-home --home-dir /app --shell /usr/sbin/nologin firstresponder
COPY --from=build /app /app
# Only `firstresponder up` in a single container writes here; with PostgreSQL and Redis the root can be read-only.
RUN install -d -o firstresponder -g firstresponder -m 700 /app/var
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["firstresponder"]
CMD ["--help"]
