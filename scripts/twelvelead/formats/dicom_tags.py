"""The DICOM elements that a waveform is read from."""

from enum import IntEnum


class Tag(IntEnum):
    """The elements that are read, by their keywords in PS3.6; nothing of the patient module is."""

    SOPClassUID = 0x00080016
    Manufacturer = 0x00080070
    CodeValue = 0x00080100
    CodeMeaning = 0x00080104
    ManufacturerModelName = 0x00081090
    MultiplexGroupTimeOffset = 0x00181068
    WaveformOriginality = 0x003A0004
    NumberOfWaveformChannels = 0x003A0005
    NumberOfWaveformSamples = 0x003A0010
    SamplingFrequency = 0x003A001A
    ChannelDefinitionSequence = 0x003A0200
    ChannelLabel = 0x003A0203
    ChannelSourceSequence = 0x003A0208
    ChannelSensitivity = 0x003A0210
    ChannelSensitivityUnitsSequence = 0x003A0211
    ChannelSensitivityCorrectionFactor = 0x003A0212
    ChannelBaseline = 0x003A0213
    ConceptNameCodeSequence = 0x0040A043
    ReferencedSamplePositions = 0x0040A132
    ConceptCodeSequence = 0x0040A168
    NumericValue = 0x0040A30A
    WaveformAnnotationSequence = 0x0040B020
    WaveformSequence = 0x54000100
    UnformattedTextValue = 0x00700006
    WaveformBitsAllocated = 0x54001004
    WaveformSampleInterpretation = 0x54001006
    WaveformPaddingValue = 0x5400100A
    WaveformData = 0x54001010
