# freqfake with its embedded models, without extras:
#   docker build -t freqfake .
#   docker run --rm --network none -v "$PWD:/data:ro" freqfake score /data
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir /wheels/*.whl
WORKDIR /data
USER 10001:10001
ENTRYPOINT ["freqfake"]
CMD ["--help"]
